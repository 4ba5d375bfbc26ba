package ledger

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Cell is the current value of one scalar, item or connection, and where it came from:
// the event at Index of commit Commit, which has sequence Seq. The fold moves cells and
// never looks into them, so it works on sealed values without any key; opening fills Value.
type Cell struct {
	Seq    Seq
	Commit CommitID
	Index  int
	// Commitment and Sealed are the event's.
	Commitment Hash
	Sealed     []byte
	// Value is the clear value; nil until opened.
	Value Value
}

// Collection is an ordered list of items, each with a stable id.
type Collection struct {
	Order []string // every id of Items, once
	Items map[string]Cell
}

// Resume is one view of a profile besides the shared one: its own name and collections.
// Scalars are never here: they belong to the profile.
type Resume struct {
	ID          string // Base or a ULID
	From        string // the resume it was copied from; "" for Base
	CreatedSeq  Seq
	CreatedAt   time.Time
	UpdatedSeq  Seq
	UpdatedAt   time.Time
	Fields      map[string]Cell // "name"
	Collections map[string]*Collection
}

// Profile is the state of one person after the commit Seq: the fold of the profile's
// commits. It is a plain value; whoever holds it must not share it while applying.
type Profile struct {
	ID        ProfileID
	Seq       Seq  // of the last commit applied; 0 before the first
	Head      Hash // of that commit as stored
	CreatedAt time.Time
	UpdatedAt time.Time
	Erased    bool

	Shared      map[string]Cell        // scalars and provider-scoped fields, by full name
	Lists       map[string]*Collection // collections of the shared view (phones)
	Resumes     map[string]*Resume     // by id; Base from the first commit on
	Connections map[string]Cell        // by provider
}

// NewProfile is the state before the first commit.
func NewProfile(id ProfileID) *Profile {
	return &Profile{ID: id, Shared: map[string]Cell{}, Lists: map[string]*Collection{},
		Resumes: map[string]*Resume{}, Connections: map[string]Cell{}}
}

// Exists says that the profile was created and not erased.
func (p *Profile) Exists() bool { return p.Seq > 0 && !p.Erased }

// ResumeIDs lists the resumes: Base, then by age.
func (p *Profile) ResumeIDs() []string {
	ids := slices.Collect(maps.Keys(p.Resumes))
	slices.SortFunc(ids, func(a, b string) int {
		switch ra, rb := p.Resumes[a], p.Resumes[b]; {
		case ra.CreatedSeq != rb.CreatedSeq:
			return int(int64(ra.CreatedSeq) - int64(rb.CreatedSeq))
		case a == Base:
			return -1
		case b == Base:
			return 1
		case a < b:
			return -1
		default:
			return 1
		}
	})
	return ids
}

// Collection finds a collection of a view; nil when it has never had an item.
func (p *Profile) Collection(view, field string) *Collection {
	if view == Shared {
		return p.Lists[field]
	}
	if r := p.Resumes[view]; r != nil {
		return r.Collections[field]
	}
	return nil
}

// Check says whether a commit at seq may follow this state: same profile, later
// sequence, linked to the commit before it, and no decision of another form than
// commands write. The error is a *ChainError.
func (p *Profile) Check(seq Seq, c *Commit) error {
	switch {
	case c.Profile != p.ID:
		return &ChainError{Profile: p.ID, Seq: seq, Why: "the commit belongs to profile " + c.Profile.String()}
	case seq <= p.Seq:
		return &ChainError{Profile: p.ID, Seq: seq, Why: "the sequence does not increase"}
	case c.Prev != p.Head:
		return &ChainError{Profile: p.ID, Seq: seq, Want: p.Head, Got: c.Prev}
	}
	for i := range c.Events {
		if e := &c.Events[i]; e.Op == OpDecided && !e.isDecision() {
			return &ChainError{Profile: p.ID, Seq: seq, Why: fmt.Sprintf("event %d is not a decision about a delivery", i)}
		}
	}
	return nil
}

// Apply evolves the state by one commit. It decides nothing and cannot fail: call
// Check first. hash is the commit's as stored. Cells keep the events' byte slices.
func (p *Profile) Apply(seq Seq, hash Hash, c *Commit) {
	if p.Seq == 0 {
		p.CreatedAt = c.Time
	}
	p.Seq, p.Head, p.UpdatedAt = seq, hash, c.Time
	for i := range c.Events {
		e := &c.Events[i]
		p.apply(e, Cell{Seq: seq, Commit: c.ID, Index: i, Commitment: e.Commitment, Sealed: e.Sealed, Value: e.Value}, c.Time)
		if r := p.Resumes[e.View]; r != nil {
			r.UpdatedSeq, r.UpdatedAt = seq, c.Time
		}
	}
}

func (p *Profile) apply(e *Event, cell Cell, at time.Time) {
	switch e.Op {
	case OpCreated:
		p.Resumes[Base] = &Resume{ID: Base, CreatedSeq: cell.Seq, CreatedAt: at, UpdatedSeq: cell.Seq, UpdatedAt: at,
			Fields: map[string]Cell{}, Collections: map[string]*Collection{}}
	case OpCopied:
		r := &Resume{ID: e.View, From: e.Item, CreatedSeq: cell.Seq, CreatedAt: at,
			Fields: map[string]Cell{}, Collections: map[string]*Collection{}}
		if from := p.Resumes[e.Item]; from != nil {
			for name, c := range from.Collections {
				r.Collections[name] = c.Clone()
			}
		}
		p.Resumes[e.View] = r
	case OpDeleted:
		if e.Field == Connections {
			delete(p.Connections, e.Item)
		} else {
			delete(p.Resumes, e.View)
		}
	case OpBound:
		p.Connections[e.Item] = cell
	case OpDecided:
		// It is about a delivery. The profile stays as it is.
	case OpErased:
		p.Erased = true
		p.Shared, p.Lists = map[string]Cell{}, map[string]*Collection{}
		p.Resumes, p.Connections = map[string]*Resume{}, map[string]Cell{}
	case OpSet:
		if m := p.scalars(e.View); m != nil {
			m[e.Field] = cell
		}
	case OpClear:
		delete(p.scalars(e.View), e.Field)
	case OpPut:
		p.list(e.View, e.Field).put(e.Item, cell)
	case OpRemove:
		p.list(e.View, e.Field).remove(e.Item)
	case OpOrder:
		p.list(e.View, e.Field).order(e.Order)
	}
}

func (p *Profile) scalars(view string) map[string]Cell {
	if view == Shared {
		return p.Shared
	}
	if r := p.Resumes[view]; r != nil {
		return r.Fields
	}
	return nil
}

// list finds or makes the collection; for a view that is not there it makes one that
// nobody keeps.
func (p *Profile) list(view, field string) *Collection {
	lists := p.Lists
	if view != Shared {
		r := p.Resumes[view]
		if r == nil {
			return &Collection{Items: map[string]Cell{}}
		}
		lists = r.Collections
	}
	c := lists[field]
	if c == nil {
		c = &Collection{Items: map[string]Cell{}}
		lists[field] = c
	}
	return c
}

// Clone copies the collection; the cells' byte slices stay shared (they never change).
func (c *Collection) Clone() *Collection {
	return &Collection{Order: slices.Clone(c.Order), Items: maps.Clone(c.Items)}
}

func (c *Collection) put(id string, cell Cell) {
	if _, ok := c.Items[id]; !ok {
		c.Order = append(c.Order, id)
	}
	c.Items[id] = cell
}

func (c *Collection) remove(id string) {
	if _, ok := c.Items[id]; ok {
		delete(c.Items, id)
		c.Order = slices.DeleteFunc(c.Order, func(o string) bool { return o == id })
	}
}

// order puts the named items first, in that order; ids that are not there are ignored,
// and items that are not named keep their order behind them.
func (c *Collection) order(ids []string) {
	next := make([]string, 0, len(c.Order))
	done := make(map[string]bool, len(ids))
	for _, id := range ids {
		if _, ok := c.Items[id]; ok && !done[id] {
			next, done[id] = append(next, id), true
		}
	}
	for _, id := range c.Order {
		if !done[id] {
			next = append(next, id)
		}
	}
	c.Order = next
}

// Clone copies the whole state. Byte slices inside cells stay shared.
func (p *Profile) Clone() *Profile {
	q := *p
	q.Shared, q.Connections = maps.Clone(p.Shared), maps.Clone(p.Connections)
	q.Lists = make(map[string]*Collection, len(p.Lists))
	for n, c := range p.Lists {
		q.Lists[n] = c.Clone()
	}
	q.Resumes = make(map[string]*Resume, len(p.Resumes))
	for id, r := range p.Resumes {
		s := *r
		s.Fields = maps.Clone(r.Fields)
		s.Collections = make(map[string]*Collection, len(r.Collections))
		for n, c := range r.Collections {
			s.Collections[n] = c.Clone()
		}
		q.Resumes[id] = &s
	}
	return &q
}

// Cells yields every cell of the state in no particular order, for opening: set
// changes the cell that was yielded.
func (p *Profile) Cells(yield func(get Cell, set func(Cell)) bool) {
	scan := func(m map[string]Cell) bool {
		for k, c := range m {
			if !yield(c, func(n Cell) { m[k] = n }) {
				return false
			}
		}
		return true
	}
	if !scan(p.Shared) || !scan(p.Connections) {
		return
	}
	for _, l := range p.Lists {
		if !scan(l.Items) {
			return
		}
	}
	for _, r := range p.Resumes {
		if !scan(r.Fields) {
			return
		}
		for _, l := range r.Collections {
			if !scan(l.Items) {
				return
			}
		}
	}
}

// Opener opens what a profile's events sealed. Package vault has the real one.
type Opener interface {
	// Open gives the payload of the event at index of a commit (ReasonIndex: its
	// reason). It does not change sealed. ErrErased when the profile's key is gone.
	Open(profile ProfileID, commit CommitID, index int, sealed []byte) ([]byte, error)
}

// OpenAll fills the clear value of every cell that has none yet.
func (p *Profile) OpenAll(o Opener) (err error) {
	p.Cells(func(c Cell, set func(Cell)) bool {
		if c.Value != nil || c.Sealed == nil {
			return true
		}
		var payload []byte
		if payload, err = o.Open(p.ID, c.Commit, c.Index, c.Sealed); err != nil {
			return false
		}
		e := Event{Commitment: c.Commitment}
		if err = e.SetPayload(payload); err != nil {
			err = &ChainError{Profile: p.ID, Seq: c.Seq, Why: err.Error()}
			return false
		}
		c.Value = e.Value
		set(c)
		return true
	})
	return err
}

// Open fills the clear side of every event of a commit, and its reason.
func (c *Commit) Open(o Opener) error {
	for i := range c.Events {
		e := &c.Events[i]
		if e.Sealed == nil || e.Value != nil {
			continue
		}
		payload, err := o.Open(c.Profile, c.ID, i, e.Sealed)
		if err != nil {
			return err
		}
		if err := e.SetPayload(payload); err != nil {
			return err
		}
	}
	if c.SealedReason != nil && c.Meta.Reason == "" {
		b, err := o.Open(c.Profile, c.ID, ReasonIndex, c.SealedReason)
		if err != nil {
			return err
		}
		c.Meta.Reason = string(b)
	}
	return nil
}
