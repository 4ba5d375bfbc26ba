package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"vitae/commands"
	"vitae/ledger"
	"vitae/sinks"
)

// parkedActions are what a person can decide.
var parkedActions = [...]sinks.Action{sinks.Retry, sinks.MarkDone, sinks.Skip, sinks.Recreate}

// parkedFilter says which parked edits are meant; what is zero says nothing.
type parkedFilter struct {
	code    string
	entity  string // exact, or the name of a section: all of its items
	class   string
	profile *ledger.ProfileID
	before  time.Time // parked before then
}

// filterNames are the members, and the parameters, of a filter.
var filterNames = []string{"code", "entity", "class", "profile", "before"}

func (f form) filter() (p parkedFilter) {
	f.only(filterNames...)
	p.code, p.entity = f.name("code"), f.name("entity")
	if class, ok := f.text("class"); ok {
		if _, known := sinks.PolicyOf(sinks.Class(class)); !known {
			f.refuse("class", ledger.CodeNotOneOf, "must be one of A, B, C, D, E, F")
		}
		p.class = class
	}
	p.profile, p.before = f.profile("profile"), f.time("before")
	return p
}

func (p *parkedFilter) takes(e *sinks.ParkedEdit) bool {
	section, _ := sinks.SplitEntity(e.Entity)
	return (p.code == "" || p.code == e.Code) &&
		(p.entity == "" || p.entity == e.Entity || p.entity == section) &&
		(p.class == "" || p.class == string(e.Class)) &&
		(p.profile == nil || *p.profile == e.Profile) &&
		(p.before.IsZero() || e.Since.Time().Before(p.before))
}

// getParked lists the edits that wait for a person, and those in doubt.
func (s *Server) getParked(w http.ResponseWriter, r *http.Request) error {
	f, err := queryForm(r, filterNames...)
	if err != nil {
		return err
	}
	filter := f.filter()
	if len(*f.wrong) > 0 {
		first := (*f.wrong)[0]
		return fail(http.StatusBadRequest, "invalid_query", strings.TrimPrefix(first.Pointer, "/")+" "+first.Message+".")
	}
	all, err := s.Sinks.Parked(r.Context(), r.PathValue("provider"))
	if err != nil {
		return err
	}
	out := []sinks.ParkedEdit{}
	for i := range all {
		if filter.takes(&all[i]) {
			out = append(out, all[i])
		}
	}
	return s.send(w, r, http.StatusOK, list{Data: out})
}

// choice is what a person decides: {"action", "reason"}, and about which edits.
type choice struct {
	action sinks.Action
	reason string
	filter parkedFilter
	meta   ledger.Meta
}

func choiceOf(r *http.Request, b []byte, many bool) (c choice, err error) {
	f, err := formOf(b)
	if err != nil {
		return c, err
	}
	if many {
		f.only("action", "reason", "filter")
		c.filter = f.inner("filter").filter()
	} else {
		f.only("action", "reason")
	}
	before := len(*f.wrong)
	action, _ := f.text("action")
	if c.action = sinks.Action(action); len(*f.wrong) == before && !slices.Contains(parkedActions[:], c.action) {
		f.refuse("action", ledger.CodeNotOneOf, "must be one of retry, mark_done, skip, recreate")
	}
	c.reason, _ = f.text("reason")
	if err := f.err(); err != nil {
		return c, err
	}
	c.meta, err = meta(r)
	c.meta.Reason = cmp.Or(c.reason, c.meta.Reason)
	return c, err
}

// decided is the reply to a decision.
type decided struct {
	Success bool       `json:"success"`
	Seq     ledger.Seq `json:"seq"`
}

// postParked decides about one parked edit. The decision is a commit of the profile; the
// reply says that the sinks have taken it in.
func (s *Server) postParked(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("provider")
	b, err := body(w, r, false)
	if err != nil {
		return err
	}
	c, err := choiceOf(r, b, false)
	if err != nil {
		return err
	}
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	find := func() (e sinks.ParkedEdit, err error) {
		var id sinks.ID
		if id.UnmarshalText([]byte(r.PathValue("id"))) != nil || id.IsZero() {
			return e, ledger.ErrNotFound
		}
		if e, err = s.Sinks.ParkedEdit(r.Context(), name, id); err == nil && !slices.Contains(e.Choices, c.action) {
			err = ledger.ErrNotAllowed
		}
		return e, err
	}
	if dryRun {
		if _, err := find(); err != nil {
			return err
		}
		return s.wouldSucceed(w, r)
	}
	return s.once(w, r, b, func() (int, any, error) {
		e, err := find()
		if err != nil {
			return 0, nil, err
		}
		ctx, cancel := context.WithTimeout(r.Context(), submitTimeout)
		defer cancel()
		idem, err := s.idemOf(r, b)
		if err != nil {
			return 0, nil, err
		}
		seq, err := s.decide(ctx, name, e.Profile, []sinks.ParkedEdit{e}, c, idem)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, decided{true, seq}, s.caughtUp(ctx, seq)
	})
}

// decide commits one decision about edits of one profile.
func (s *Server) decide(ctx context.Context, name string, profile ledger.ProfileID, edits []sinks.ParkedEdit, c choice, idem *ledger.Idem) (ledger.Seq, error) {
	var parts []ledger.Command
	for _, e := range edits {
		one, err := commands.Decide(name, e.ID.String(), string(c.action))
		if err != nil {
			return 0, err
		}
		parts = append(parts, one)
	}
	cmd := parts[0]
	if len(parts) > 1 {
		cmd = commands.All(parts...)
	}
	reply, err := s.Core.Submit(ctx, ledger.Request{Profile: profile, Meta: c.meta, Command: cmd, Idem: idem})
	return reply.Seq, err
}

// caughtUp waits until the sinks have taken in a decision. It is in the ledger, whatever
// becomes of the wait.
func (s *Server) caughtUp(ctx context.Context, seq ledger.Seq) error {
	err := s.Sinks.CaughtUp(ctx, seq)
	if err == nil {
		return nil
	}
	return &late{problem: &problem{status: http.StatusGatewayTimeout, code: "outcome_unknown", retryAfter: 1,
		detail: fmt.Sprintf("The decision is kept, as commit %d; it is not known yet whether the sinks have taken it in.", seq)}, err: err}
}

// maxDecided is how many edits one request can decide about.
const maxDecided = 1000

// bulk is the reply to a decision about many edits.
type bulk struct {
	Matched int                `json:"matched"`
	Data    []sinks.ParkedEdit `json:"data,omitzero"`
	Decided *int               `json:"decided,omitempty"`
	Failed  []undecided        `json:"failed,omitzero"`
	More    bool               `json:"more,omitempty"`
	DryRun  bool               `json:"dryRun,omitempty"`
}

// undecided is an edit that nothing could be decided about.
type undecided struct {
	ID    sinks.ID `json:"id"`
	Error string   `json:"error"`
}

// postAllParked decides alike about every parked edit that a filter takes: one commit a
// profile. What cannot be decided so does not stop the others.
func (s *Server) postAllParked(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("provider")
	b, err := body(w, r, false)
	if err != nil {
		return err
	}
	c, err := choiceOf(r, b, true)
	if err != nil {
		return err
	}
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	find := func() (out []sinks.ParkedEdit, err error) {
		all, err := s.Sinks.Parked(r.Context(), name)
		for i := range all {
			if all[i].Phase == sinks.Parked && c.filter.takes(&all[i]) {
				out = append(out, all[i])
			}
		}
		return out, err
	}
	if dryRun {
		all, err := find()
		if err != nil {
			return err
		}
		out := bulk{Matched: len(all), Data: append([]sinks.ParkedEdit{}, all[:min(len(all), maxDecided)]...), More: len(all) > maxDecided, DryRun: true}
		return s.send(w, r, http.StatusOK, out)
	}
	return s.once(w, r, b, func() (int, any, error) {
		all, err := find()
		if err != nil {
			return 0, nil, err
		}
		ctx, cancel := context.WithTimeout(r.Context(), submitTimeout)
		defer cancel()
		out, seq := s.decideAll(ctx, name, all, c)
		if seq == 0 {
			return http.StatusOK, out, nil
		}
		return http.StatusOK, out, s.caughtUp(ctx, seq)
	})
}

// decideAll decides about the first maxDecided edits of those that it can be decided
// about; seq is the last commit of it.
func (s *Server) decideAll(ctx context.Context, name string, all []sinks.ParkedEdit, c choice) (out bulk, seq ledger.Seq) {
	n := 0
	out = bulk{Matched: len(all), Decided: &n, Failed: []undecided{}}
	byProfile := map[ledger.ProfileID][]sinks.ParkedEdit{}
	chosen := 0
	for _, e := range all {
		switch {
		case !slices.Contains(e.Choices, c.action) && len(out.Failed) == maxDecided:
			out.More = true
		case !slices.Contains(e.Choices, c.action):
			out.Failed = append(out.Failed, undecided{e.ID, "This cannot be decided about it: see its choices."})
		case chosen == maxDecided:
			out.More = true
		default:
			chosen++
			byProfile[e.Profile] = append(byProfile[e.Profile], e)
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	places := make(chan struct{}, 16)
	for profile, edits := range byProfile {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			at, err := s.decide(ctx, name, profile, edits, c, nil)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				n, seq = n+len(edits), max(seq, at)
				return
			}
			s.Log.Warn("a decision was not stored", "sink", name, "profile", profile, "error", err)
			why := problemOf(err).detail
			if errors.Is(err, ledger.ErrUnknown) {
				why = "It is not known yet whether the decision was stored: see the profile's history, or whether it is still parked."
			}
			for _, e := range edits {
				out.Failed = append(out.Failed, undecided{e.ID, why})
			}
		})
	}
	wg.Wait()
	slices.SortFunc(out.Failed, func(a, b undecided) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return out, seq
}
