package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/sinks"
)

// planView is a plan as it is shown to who may not see values: what its changes change is
// named, and what they change it from and to is left out.
type planView struct {
	*sinks.Plan
	Profiles []profilePlanView `json:"profiles"`
}

type profilePlanView struct {
	sinks.ProfilePlan
	Operations []operationView `json:"operations"`
}

type operationView struct {
	sinks.Operation
	Changes []changeView `json:"changes,omitempty"`
}

type changeView struct {
	Field string `json:"field"`
}

func withoutValues(p *sinks.Plan) planView {
	v := planView{Plan: p, Profiles: []profilePlanView{}}
	for _, one := range p.Profiles {
		pv := profilePlanView{ProfilePlan: one, Operations: []operationView{}}
		for _, op := range one.Operations {
			ov := operationView{Operation: op}
			for _, c := range op.Changes {
				ov.Changes = append(ov.Changes, changeView{c.Field})
			}
			pv.Operations = append(pv.Operations, ov)
		}
		v.Profiles = append(v.Profiles, pv)
	}
	return v
}

// postPlan makes a plan: {"profile", "to"}. It reads the provider at its rate, and takes
// as long as that does. Making one twice does no harm, so no reply is kept.
func (s *Server) postPlan(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("provider")
	b, err := body(w, r, true)
	if err != nil {
		return err
	}
	f, err := formOf(b)
	if err != nil {
		return err
	}
	f.only("profile", "to")
	t := sinks.Target{Sink: name, Profile: f.profile("profile"), To: f.seq("to")}
	head, err := s.Core.Head(r.Context())
	if err != nil {
		return err
	}
	if t.To > head {
		f.refuse("to", ledger.CodeOutOfRange, "lies behind the last commit of the ledger")
	}
	if err := f.err(); err != nil {
		return err
	}
	p, err := s.Sinks.Plan(r.Context(), t)
	if err != nil {
		return err
	}
	if exchangeOf(r).key.Has(keys.ValuesRead) {
		return s.send(w, r, http.StatusOK, p)
	}
	return s.send(w, r, http.StatusOK, withoutValues(p))
}

// planID reads the id in the path.
func planID(r *http.Request) (id sinks.ID, err error) {
	if id.UnmarshalText([]byte(r.PathValue("id"))) != nil || id.IsZero() {
		return id, ledger.ErrNotFound
	}
	return id, nil
}

// stale tells a plan that cannot be carried out any more from other conflicts.
func stale(err error) error {
	if errors.Is(err, sinks.ErrStalePlan) {
		return fail(http.StatusConflict, "stale_plan", "What the plan was made from has changed, or the digest is not the plan's. Make the plan again.")
	}
	return err
}

// applyPlan carries out a plan: {"digest"}. The reply comes when it is sure to go on, over
// restarts too; the task follows it as long as this process lives, GET /v1/plans/{id}
// always.
func (s *Server) applyPlan(w http.ResponseWriter, r *http.Request) error {
	id, err := planID(r)
	if err != nil {
		return err
	}
	b, err := body(w, r, false)
	if err != nil {
		return err
	}
	f, err := formOf(b)
	if err != nil {
		return err
	}
	f.only("digest")
	before := len(*f.wrong)
	digest, ok := f.text("digest")
	if !ok && len(*f.wrong) == before {
		f.refuse("digest", ledger.CodeRequired, "is required: the plan's own")
	}
	if err := f.err(); err != nil {
		return err
	}
	switch dryRun, err := dry(r); {
	case err != nil:
		return err
	case dryRun:
		return fail(http.StatusBadRequest, "invalid_query", "A plan is a dry run itself: there is none of carrying it out.")
	}
	ctx, cancel := context.WithTimeout(r.Context(), submitTimeout)
	defer cancel()
	p, err := s.Sinks.Apply(ctx, id, digest)
	if err != nil {
		return stale(err)
	}
	return s.accept(w, r, s.tasks.join("plan "+id.String(), func(ctx context.Context, change func(func(*task))) { s.follow(ctx, p, change) }))
}

// follow keeps a task at what is known of a plan.
func (s *Server) follow(ctx context.Context, p sinks.Progress, change func(func(*task))) {
	for {
		change(func(one *task) {
			one.Done, one.Total, one.Parked, one.Moved = uint64(p.Done), uint64(p.Total), uint64(p.Parked), uint64(p.Moved)
			if p.State.Over() {
				one.State, one.Result = string(p.State), p
			}
		})
		if p.State.Over() {
			return
		}
		next, err := s.Sinks.WaitPlan(ctx, p.Plan, p)
		if err == nil {
			p = next
			continue
		}
		if ctx.Err() == nil && !errors.Is(err, ledger.ErrNotFound) {
			// The sinks are elsewhere for a while, or start again: the plan goes on there.
			s.Log.Debug("a plan cannot be followed now", "plan", p.Plan.String(), "error", err)
			again := time.NewTimer(time.Second)
			select {
			case <-again.C:
				continue
			case <-ctx.Done():
				again.Stop()
			}
		}
		change(func(one *task) {
			one.State, one.Error = "interrupted", "this process follows the plan no more; GET /v1/plans/"+p.Plan.String()+" says how far it is"
		})
		return
	}
}

// getPlan says how far a plan is.
func (s *Server) getPlan(w http.ResponseWriter, r *http.Request) error {
	id, err := planID(r)
	if err != nil {
		return err
	}
	p, err := s.Sinks.WaitPlan(r.Context(), id, sinks.Progress{})
	if err != nil {
		return err
	}
	return s.send(w, r, http.StatusOK, p)
}

// cancelPlan ends a plan.
func (s *Server) cancelPlan(w http.ResponseWriter, r *http.Request) error {
	id, err := planID(r)
	if err != nil {
		return err
	}
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	if dryRun {
		if _, err := s.Sinks.WaitPlan(r.Context(), id, sinks.Progress{}); err != nil {
			return err
		}
		return s.wouldSucceed(w, r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), submitTimeout)
	defer cancel()
	if err := s.Sinks.Cancel(ctx, id); err != nil {
		return err
	}
	return s.send(w, r, http.StatusOK, success{Success: true})
}
