package console

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

// The bounds of sessions.
const (
	maxSessions = 1000
	sessionLife = 12 * time.Hour
	sessionIdle = time.Hour
)

// session is one person's visit. profile is the id of the profile that its pages are
// about: the key's own, or the one that was chosen; "" when none was chosen yet.
type session struct {
	key     string
	own     bool // the key belongs to one profile
	profile string
	notice  string // shown once, on the next page
	begun   time.Time
	used    time.Time
}

func (s *session) over(now time.Time) bool {
	return now.Sub(s.begun) >= sessionLife || now.Sub(s.used) >= sessionIdle
}

// sessions are held in memory, by the digest of their ids: how long a look-up takes says
// nothing about the ids that exist.
type sessions struct {
	mu   sync.Mutex
	byID map[[sha256.Size]byte]*session
}

// begin starts a session and gives its id. When there are too many, the one that was not
// used for the longest time ends.
func (s *sessions) begin(one session, now time.Time) string {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails: it ends the process instead
	id := base64.RawURLEncoding.EncodeToString(raw)
	one.begun, one.used = now, now
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byID) >= maxSessions {
		s.sweep(now)
	}
	s.byID[sha256.Sum256([]byte(id))] = &one
	return id
}

// sweep drops the sessions that are over, and one more if none is; the mutex is held.
func (s *sessions) sweep(now time.Time) {
	var oldest [sha256.Size]byte
	var at time.Time
	for id, one := range s.byID {
		if one.over(now) {
			delete(s.byID, id)
		} else if at.IsZero() || one.used.Before(at) {
			oldest, at = id, one.used
		}
	}
	if len(s.byID) >= maxSessions {
		delete(s.byID, oldest)
	}
}

// take gives a copy of a session that is not over, and keeps it from getting idle. Its
// notice is taken out by the page that shows it: see notice.
func (s *sessions) take(id string, now time.Time) (session, bool) {
	if id == "" {
		return session{}, false
	}
	digest := sha256.Sum256([]byte(id))
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.byID[digest]
	if one == nil {
		return session{}, false
	}
	if one.over(now) {
		delete(s.byID, digest)
		return session{}, false
	}
	one.used = now
	return *one, true
}

// change alters a session that still exists.
func (s *sessions) change(id string, f func(*session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.byID[sha256.Sum256([]byte(id))]; one != nil {
		f(one)
	}
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, sha256.Sum256([]byte(id)))
}

// tries lets a few sign-ins through each second, of all strangers together: keys cannot
// be guessed anyway, this only keeps the guessing cheap for us.
type tries struct {
	mu    sync.Mutex
	left  float64
	since time.Time
}

// The sign-ins at once, and how many more each second.
const (
	triesBurst     = 10
	triesPerSecond = 4
)

func (t *tries) ok(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() {
		t.left = triesBurst
	} else if passed := now.Sub(t.since); passed > 0 {
		t.left = min(triesBurst, t.left+passed.Seconds()*triesPerSecond)
	}
	t.since = now
	if t.left < 1 {
		return false
	}
	t.left--
	return true
}
