package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"vitae/ledger"
	"vitae/projections"
)

// viewState is one projection, in the shape of the API.
type viewState struct {
	Name      string     `json:"name"`
	State     string     `json:"state"` // current, behind, rebuilding, stopped
	Position  ledger.Seq `json:"position"`
	Head      ledger.Seq `json:"head"`
	Lag       uint64     `json:"lag"`
	Rows      int64      `json:"rows"`
	SizeBytes int64      `json:"sizeBytes"`
	Error     string     `json:"error,omitempty"`
}

func stateOf(d projections.Description) viewState {
	v := viewState{Name: d.Name, State: "current", Position: d.Position, Head: d.Head, Lag: d.Lag, Rows: d.Rows, SizeBytes: d.SizeBytes}
	switch {
	case d.Rebuilding != nil:
		v.State = "rebuilding"
	case !d.Running:
		v.State = "stopped"
	case d.Lag > 0:
		v.State = "behind"
	}
	if d.Err != nil {
		v.Error = d.Err.Error()
	}
	return v
}

func (s *Server) getViews(w http.ResponseWriter, r *http.Request) error {
	all := []viewState{}
	for _, p := range s.Projections {
		d, err := p.Describe(r.Context())
		if err != nil {
			return err
		}
		all = append(all, stateOf(d))
	}
	return s.send(w, r, http.StatusOK, list{Data: all})
}

// rebuilt is the report of a rebuild, in the shape of the API.
type rebuilt struct {
	Name        string                   `json:"name"`
	Seq         ledger.Seq               `json:"seq"`
	Rows        int64                    `json:"rows"`
	Digest      ledger.Hash              `json:"digest"`
	Seconds     float64                  `json:"seconds"`
	Resumed     ledger.Seq               `json:"resumedFrom"`
	NotCompared string                   `json:"notCompared,omitempty"`
	Differences int64                    `json:"differences"`
	Examples    []projections.Difference `json:"examples,omitempty"`
}

// rebuildView starts a rebuild of one projection. Only one runs at a time.
func (s *Server) rebuildView(w http.ResponseWriter, r *http.Request) error {
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(s.Projections, func(p *projections.Projection) bool { return p.Name() == r.PathValue("name") })
	if i < 0 {
		return ledger.ErrNotFound
	}
	p := s.Projections[i]
	d, err := p.Describe(r.Context())
	if err != nil {
		return err
	}
	if d.Rebuilding != nil {
		return s.accept(w, r, nil)
	}
	if dryRun {
		return s.send(w, r, http.StatusOK, map[string]any{"data": rebuilt{Name: p.Name(), Seq: d.Head, Rows: d.Rows}, "dryRun": true})
	}
	return s.accept(w, r, s.tasks.start("rebuild "+p.Name(), func(ctx context.Context, progress func(done, total uint64)) (any, error) {
		report, err := p.Rebuild(ctx, func(g projections.Progress) { progress(g.Done, g.Total) })
		if err != nil {
			return nil, err
		}
		if !d.Running && s.Restart != nil {
			s.Restart(p)
		}
		return rebuilt{Name: report.Projection, Seq: report.Seq, Rows: report.Rows, Digest: report.Digest, Seconds: report.Elapsed.Seconds(),
			Resumed: report.Resumed, NotCompared: report.NotCompared, Differences: report.Differing, Examples: report.Differences}, nil
	}))
}

// runFsck starts a check of the whole ledger. It only reads, unless it is asked to repair:
// then projections that differ are made anew.
func (s *Server) runFsck(w http.ResponseWriter, r *http.Request) error {
	if s.Fsck == nil {
		return ledger.ErrUnavailable
	}
	q, err := query(r)
	if err != nil {
		return err
	}
	text, err := one(q, "repair")
	if err != nil {
		return err
	}
	if text != "" && text != "true" && text != "false" {
		return fail(http.StatusBadRequest, "invalid_query", "repair must be true or false.")
	}
	return s.accept(w, r, s.tasks.start("fsck", func(ctx context.Context, progress func(done, total uint64)) (any, error) {
		report, err := s.Fsck(ctx, text == "true", progress)
		if err != nil {
			return nil, err
		}
		return report, nil
	}))
}

func (s *Server) getFields(w http.ResponseWriter, r *http.Request) error {
	return s.send(w, r, http.StatusOK, list{Data: ledger.Leaves()})
}

func (s *Server) getOpenAPI(w http.ResponseWriter, r *http.Request) error {
	tag := `"` + ledger.HashOf(s.openapi).String()[:16] + `"`
	if fresh(w, r, tag) {
		return nil
	}
	s.raw(w, r, http.StatusOK, s.openapi)
	return nil
}

func (s *Server) livez(w http.ResponseWriter, r *http.Request) error {
	s.text(w, r, http.StatusOK, "ok\n")
	return nil
}

// readyTimeout bounds a readiness check; farBehind is how old the oldest commit that a
// projection has not applied may be.
const (
	readyTimeout = 2 * time.Second
	farBehind    = 10 * time.Second
)

// readyz says whether this instance can take commands and read them back. Sinks that
// wait or fail do not make it unready: nothing is lost meanwhile.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	q, err := query(r)
	if err != nil {
		return err
	}
	var text strings.Builder
	ok := true
	check := func(name string, err error) {
		switch {
		case slices.Contains(q["exclude"], name):
			text.WriteString("[+]" + name + " excluded: ok\n")
		case err != nil:
			ok = false
			text.WriteString("[-]" + name + " failed: " + err.Error() + "\n")
		default:
			text.WriteString("[+]" + name + " ok\n")
		}
	}
	_, err = s.Core.Head(ctx)
	check("ledger", err)
	for _, p := range s.Projections {
		h, err := p.Health(ctx, s.now())
		check(p.Name(), unhealthy(h, err))
	}
	if s.Transparency != nil {
		check("log", logHealth(s.Transparency.Health(ctx)))
	}
	if !ok {
		text.WriteString("readyz check failed\n")
		s.text(w, r, http.StatusServiceUnavailable, text.String())
		return nil
	}
	text.WriteString("readyz check passed\n")
	s.text(w, r, http.StatusOK, text.String())
	return nil
}

// unhealthy says why a projection cannot be read from; nil when it can.
func unhealthy(h projections.Health, err error) error {
	switch {
	case err != nil:
		return err
	case !h.Running && h.Err != nil:
		return h.Err
	case !h.Running:
		return errors.New("it has stopped")
	case h.Oldest > farBehind:
		return errors.New("it is " + h.Oldest.Truncate(time.Second).String() + " behind")
	}
	return nil
}
