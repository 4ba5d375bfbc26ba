package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"vitae/ledger"
	"vitae/projections"
)

// tasks are the long works of this process: rebuilds and checks. They are gone when it
// ends; what they did is not.
type tasks struct {
	ctx     context.Context
	mu      sync.Mutex
	byID    map[string]*task
	running sync.WaitGroup
}

// task is one work, in the shape of the API.
type task struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	State string    `json:"state"` // running, done, failed
	Done  uint64    `json:"done"`
	Total uint64    `json:"total"`
	Since time.Time `json:"since"`
	Error string    `json:"error,omitempty"`
	// Result is what came of it.
	Result any `json:"result,omitempty"`
}

// keptTasks is how many ended tasks can still be asked for.
const keptTasks = 100

func newTasks(ctx context.Context) *tasks { return &tasks{ctx: ctx, byID: map[string]*task{}} }

func (t *tasks) wait() { t.running.Wait() }

// start runs do in the background and gives the task as it begins.
func (t *tasks) start(name string, do func(ctx context.Context, progress func(done, total uint64)) (any, error)) task {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := &task{ID: ledger.NewID(time.Now()), Name: name, State: "running", Since: time.Now().UTC()}
	t.forget()
	t.byID[one.ID] = one
	t.running.Go(func() {
		result, err := do(t.ctx, func(done, total uint64) {
			t.mu.Lock()
			defer t.mu.Unlock()
			one.Done, one.Total = done, total
		})
		t.mu.Lock()
		defer t.mu.Unlock()
		one.State, one.Result = "done", result
		if err != nil {
			one.State, one.Error = "failed", err.Error()
		}
	})
	return *one
}

// forget drops the oldest ended task when there are many; the mutex is held.
func (t *tasks) forget() {
	if len(t.byID) < keptTasks {
		return
	}
	var oldest *task
	for _, one := range t.byID {
		if one.State != "running" && (oldest == nil || one.Since.Before(oldest.Since)) {
			oldest = one
		}
	}
	if oldest != nil {
		delete(t.byID, oldest.ID)
	}
}

func (t *tasks) get(id string) (task, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, ok := t.byID[id]
	if !ok {
		return task{}, false
	}
	return *one, true
}

func (s *Server) getTask(w http.ResponseWriter, r *http.Request) error {
	one, ok := s.tasks.get(r.PathValue("id"))
	if !ok {
		return ledger.ErrNotFound
	}
	return s.send(w, r, http.StatusOK, map[string]any{"data": one})
}

func (s *Server) accept(w http.ResponseWriter, r *http.Request, one task) error {
	w.Header().Set("Location", "/v1/tasks/"+one.ID)
	return s.send(w, r, http.StatusAccepted, map[string]any{"data": one})
}

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

func (s *Server) rebuildView(w http.ResponseWriter, r *http.Request) error {
	dryRun, err := dry(r)
	if err != nil {
		return err
	}
	for _, p := range s.Projections {
		if p.Name() != r.PathValue("name") {
			continue
		}
		d, err := p.Describe(r.Context())
		if err != nil {
			return err
		}
		if d.Rebuilding != nil {
			return fail(http.StatusConflict, "busy", "This projection is being rebuilt already.")
		}
		if dryRun {
			return s.send(w, r, http.StatusOK, map[string]any{"dryRun": true, "data": rebuilt{Name: p.Name(), Seq: d.Head, Rows: d.Rows}})
		}
		one := s.tasks.start("rebuild "+p.Name(), func(ctx context.Context, progress func(done, total uint64)) (any, error) {
			report, err := p.Rebuild(ctx, func(g projections.Progress) { progress(g.Done, g.Total) })
			if err != nil {
				return nil, err
			}
			if !d.Running && s.Restart != nil {
				s.Restart(p)
			}
			return rebuilt{Name: report.Projection, Seq: report.Seq, Rows: report.Rows, Digest: report.Digest, Seconds: report.Elapsed.Seconds(),
				Resumed: report.Resumed, NotCompared: report.NotCompared, Differences: report.Differing, Examples: report.Differences}, nil
		})
		return s.accept(w, r, one)
	}
	return ledger.ErrNotFound
}

func (s *Server) postFsck(w http.ResponseWriter, r *http.Request) error {
	if s.Fsck == nil {
		return ledger.ErrUnavailable
	}
	return s.accept(w, r, s.tasks.start("fsck", func(ctx context.Context, progress func(done, total uint64)) (any, error) {
		report, err := s.Fsck(ctx, progress)
		if err != nil {
			return nil, err
		}
		return report, nil
	}))
}

func (s *Server) getFields(w http.ResponseWriter, r *http.Request) error {
	return s.send(w, r, http.StatusOK, list{Data: ledger.Leaves()})
}

func (s *Server) livez(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	s.write(w, r, []byte("ok\n"))
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
	lines, ok := "", true
	check := func(name string, err error) {
		if err != nil {
			ok = false
			lines += "[-]" + name + ": " + err.Error() + "\n"
			return
		}
		lines += "[+]" + name + " ok\n"
	}
	_, err := s.Core.Head(ctx)
	check("ledger", err)
	for _, p := range s.Projections {
		h, err := p.Health(ctx, s.now())
		switch {
		case err == nil && !h.Running:
			err = errors.Join(errors.New("it has stopped"), h.Err)
		case err == nil && h.Oldest > farBehind:
			err = errors.New("it is " + h.Oldest.Truncate(time.Second).String() + " behind")
		}
		check(h.Name, err)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	s.write(w, r, []byte(lines))
	return nil
}
