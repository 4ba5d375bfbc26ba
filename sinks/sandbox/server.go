package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultPerMinute is the limit that Mokaru documents for its Update Profile.
const DefaultPerMinute = 20

// Store keeps the effects. A record has no key in it, but all that was sent as a
// profile: a Store that writes to a disk encrypts.
type Store interface {
	// Append returns nil when the record is as durable as the store makes it. On an
	// error the effect is not applied and the client is told of a server error; should
	// the record be there all the same, the next New applies it. It is called from many
	// goroutines, for one account from one at a time. The record is the store's to keep.
	Append(record []byte) error
	// Load gives all records, those of one account in the order of their Append, and a
	// revocation or reset after all that was appended before it. A record is not used
	// after the next one is asked for.
	Load() iter.Seq2[[]byte, error]
}

// Options are what a Server is made of.
type Options struct {
	// Store keeps the effects; nil keeps them in memory only.
	Store Store
	// Clock is the time that the limits, the lag of reads, the end of tokens and what is dated
	// go by; nil is time.Now. For Mokaru's limit, a clock that goes backwards is taken to
	// stand still.
	Clock func() time.Time
	// PerMinute is how many requests one account of Mokaru may make in any minute, reads
	// and writes together; 0 is no limit. See DefaultPerMinute.
	PerMinute int
	// PerDay is how many requests one account of LinkedIn may make in a day of UTC; 0 is
	// no limit.
	PerDay int
	// Log gets every request at debug level, without bodies and keys; nil discards.
	Log *slog.Logger
}

// Server is the stand-in providers. Its methods may be called from many goroutines.
type Server struct {
	store     Store
	clock     func() time.Time
	log       *slog.Logger
	handler   http.Handler
	providers map[string]*provider                 // by name
	after     func(time.Duration) <-chan time.Time // time.After, for faults that wait

	// world guards the two maps. It is held for reading while an effect is appended and
	// applied, and for writing by what opens and ends accounts.
	world    sync.RWMutex
	accounts map[accountID]*account
	revoked  map[accountName]bool

	// mu guards what follows, and the requests and faults themselves.
	mu       sync.Mutex
	seq      uint64
	requests []*Request // the newest of them, in order of Seq
	faults   []*Fault   // in the order in which they are used
}

// accountID is an account for the program: the whole SHA-256 of its key, in hex.
type accountID struct{ provider, digest string }

// accountName is an account for people.
type accountName struct{ provider, name string }

func (id accountID) name() accountName { return accountName{id.provider, id.digest[:8]} }

// account is what a key opens. All but id is guarded by mu.
type account struct {
	id accountID

	mu       sync.Mutex
	state    map[string]any // what is set; values are replaced, never changed
	past     []past         // what reads may still be shown, see view
	limit    any            // what the provider's admit remembers
	requests int
	patches  int
	writes   int
	creates  int
	updates  int
	deletes  int
}

// New makes the stand-ins and replays the store into them.
func New(o Options) (*Server, error) {
	if o.PerMinute < 0 {
		return nil, errors.New("sandbox: PerMinute must not be negative")
	}
	if o.PerDay < 0 {
		return nil, errors.New("sandbox: PerDay must not be negative")
	}
	s := &Server{
		store: o.Store, clock: o.Clock, log: o.Log, after: time.After, providers: map[string]*provider{},
		accounts: map[accountID]*account{}, revoked: map[accountName]bool{},
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, maker := range makers {
		p := maker(o)
		s.providers[p.name] = p
	}
	if s.store != nil {
		n := 0
		for b, err := range s.store.Load() {
			if n++; err != nil {
				return nil, fmt.Errorf("sandbox: reading the effects: %w", err)
			}
			if err := s.replay(b); err != nil {
				return nil, fmt.Errorf("sandbox: effect %d: %w", n, err)
			}
		}
	}
	mux := http.NewServeMux()
	for name, p := range s.providers {
		mux.HandleFunc("/"+name+"/", s.provide(p))
	}
	mux.Handle("/_sandbox/", s.control())
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { writeError(w, http.StatusNotFound, "Not found") })
	s.handler = mux
	return s, nil
}

// Handler serves the providers and the control surface.
func (s *Server) Handler() http.Handler { return s.handler }

// URLs are the providers' base URLs when the handler is served at the origin, which is
// like "http://127.0.0.1:8090".
func (s *Server) URLs(origin string) map[string]string {
	urls := map[string]string{}
	for name := range s.providers {
		urls[name] = strings.TrimSuffix(origin, "/") + "/" + name
	}
	return urls
}

// called counts a request with a key, and opens its account if it is new. It gives nil
// when the key is revoked.
func (s *Server) called(id accountID) *account {
	s.world.RLock()
	a, revoked := s.accounts[id], s.revoked[id.name()]
	s.world.RUnlock()
	if a == nil && !revoked {
		s.world.Lock()
		if revoked = s.revoked[id.name()]; !revoked {
			a = s.open(id)
		}
		s.world.Unlock()
	}
	if a != nil {
		a.mu.Lock()
		a.requests++
		a.mu.Unlock()
	}
	if revoked {
		return nil
	}
	return a
}

// open gives the account, which is made if there is none. The caller has world.
func (s *Server) open(id accountID) *account {
	a := s.accounts[id]
	if a == nil {
		a = &account{id: id, state: map[string]any{}}
		s.accounts[id] = a
	}
	return a
}

// Account is what the control surface says of an account.
type Account struct {
	Provider string `json:"provider"`
	Account  string `json:"account"`
	// Requests came with the account's key, whatever became of them. After a restart
	// they are the replayed effects and what came since.
	Requests int `json:"requests"`
	// Writes are the accepted patches, creates, updates and deletes that changed something.
	Writes int `json:"writes"`
	// Patches of the profile were accepted, also if they changed nothing.
	Patches int `json:"patches"`
	// Creates, Updates and Deletes of items were accepted, also if they changed nothing.
	Creates int `json:"creates"`
	Updates int `json:"updates"`
	Deletes int `json:"deletes"`
	// Counts are what the provider has to tell in numbers: Jarvi profiles, history and files.
	Counts map[string]int `json:"counts,omitzero"`
	// State is active, revoked, or unopened for an account that was never called.
	State string `json:"state"`
	// Profile is what is set, as it is kept: completed, with days as they were sent. It
	// is only there when one account is asked for.
	Profile map[string]any `json:"profile,omitzero"`
}

// describe gives what is said of an account. The caller has world for reading.
func (s *Server) describe(a *account, profile bool) Account {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.id.name()
	d := Account{Provider: n.provider, Account: n.name, Requests: a.requests, Writes: a.writes, Patches: a.patches,
		Creates: a.creates, Updates: a.updates, Deletes: a.deletes, State: "active"}
	if s.revoked[n] {
		d.State = "revoked"
	}
	if count := s.providers[n.provider].counts; count != nil {
		d.Counts = count(a.state)
	}
	if profile {
		d.Profile = maps.Clone(a.state)
	}
	return d
}

// list describes every account, in the order of provider and name.
func (s *Server) list() []Account {
	s.world.RLock()
	defer s.world.RUnlock()
	list := make([]Account, 0, len(s.accounts))
	for _, a := range s.accounts {
		list = append(list, s.describe(a, false))
	}
	slices.SortFunc(list, func(a, b Account) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Account, b.Account))
	})
	return list
}

// Request is one request to a provider.
type Request struct {
	Seq      uint64 `json:"seq"` // 1, 2, 3 in the order of arrival, since the start or the last reset
	Provider string `json:"provider"`
	Account  string `json:"account"` // empty when there was no usable key
	Method   string `json:"method"`
	Path     string `json:"path"`
	// Status is what was answered, whether or not anybody was still there to read it;
	// 0 while there is no answer, and for good when the connection was dropped.
	Status int `json:"status"`
	// Changed says that the request changed the account.
	Changed bool `json:"changed"`
	// Attempt is the value of the header X-Vitae-Attempt, at most 200 bytes of it.
	Attempt string `json:"attempt,omitempty"`
	// Fault is the kind of the fault that met the request.
	Fault string `json:"fault,omitempty"`
}

// maxRequests is how many requests the log keeps: at least half of them, the newest.
const maxRequests = 100_000

// arrived puts a request in the log.
func (s *Server) arrived(r Request) *Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) >= maxRequests {
		s.requests = slices.Clone(s.requests[maxRequests/2:])
	}
	s.seq++
	r.Seq = s.seq
	s.requests = append(s.requests, &r)
	return &r
}

// logged gives the requests so far, the newest 50,000 at the least.
func (s *Server) logged() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Request, len(s.requests))
	for i, r := range s.requests {
		list[i] = *r
	}
	return list
}
