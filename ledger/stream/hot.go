package stream

import (
	"container/list"
	"context"
	"sync"

	"vitae/ledger"
)

// hotProfiles is the committer's memory: the profiles that were touched last, each
// behind its own lock, a bounded number of them. A state in it may be ahead of the
// ledger by the commits that are on their way (last is the newest of them).
type hotProfiles struct {
	mu    sync.Mutex
	limit int
	byID  map[ledger.ProfileID]*hotProfile
	// recent has the profile touched last in front. Only profiles that nobody holds and
	// whose commits are all stored are let go of.
	recent     *list.List
	generation uint64 // counts forget
}

type hotProfile struct {
	id    ledger.ProfileID
	place *list.Element
	users int // goroutines that hold or wait for turn; guarded by hotProfiles.mu

	turn       chan struct{} // capacity 1: a lock that can be waited for with a context
	generation uint64        // of state; guarded by turn, like the rest
	state      *ledger.Profile
	last       *Ticket
}

func (h *hotProfiles) init(limit int) {
	h.limit, h.byID, h.recent = limit, map[ledger.ProfileID]*hotProfile{}, list.New()
}

func (h *hotProfiles) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.byID)
}

// now is the present generation.
func (h *hotProfiles) now() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.generation
}

// forget makes every state in memory void.
func (h *hotProfiles) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.generation++
}

// lock waits for the profile's turn and has its state loaded when it is not there or
// void. unlock it.
func (h *hotProfiles) lock(ctx context.Context, id ledger.ProfileID, load func(context.Context, ledger.ProfileID) (*ledger.Profile, error)) (*hotProfile, error) {
	h.mu.Lock()
	e := h.byID[id]
	if e == nil {
		e = &hotProfile{id: id, turn: make(chan struct{}, 1)}
		e.place = h.recent.PushFront(e)
		h.byID[id] = e
	} else {
		h.recent.MoveToFront(e.place)
	}
	e.users++
	h.mu.Unlock()

	select {
	case e.turn <- struct{}{}:
	default:
		select {
		case e.turn <- struct{}{}:
		case <-ctx.Done():
			h.release(e)
			return nil, ctx.Err()
		}
	}
	generation := h.now()
	if e.state == nil || e.generation != generation {
		e.state, e.last = nil, nil
		state, err := load(ctx, id)
		if err != nil {
			h.unlock(e)
			return nil, err
		}
		e.state, e.generation = state, generation
	}
	return e, nil
}

func (h *hotProfiles) unlock(e *hotProfile) {
	<-e.turn
	h.release(e)
}

// release gives up one use and lets go of the coldest profiles beyond the limit.
func (h *hotProfiles) release(e *hotProfile) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.users--
	for place := h.recent.Back(); place != nil && len(h.byID) > h.limit; {
		cold := place.Value.(*hotProfile)
		before := place.Prev()
		if cold.users == 0 && cold.settled() {
			h.recent.Remove(place)
			delete(h.byID, cold.id)
		}
		place = before
	}
}

// settled says that no commit of the profile is on its way. Nobody holds the profile.
func (e *hotProfile) settled() bool {
	if e.last == nil {
		return true
	}
	select {
	case <-e.last.done:
		return true
	default:
		return false
	}
}
