package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"vitae/ledger"
)

// tasks are the long works of this process: rebuilds, checks and recoveries. They are gone when it
// ends; what they did is not.
type tasks struct {
	ctx     context.Context
	now     func() time.Time
	mu      sync.Mutex
	byID    map[string]*task
	running sync.WaitGroup
}

// task is one work, in the shape of the API.
type task struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"` // running, done, failed, cancelled, interrupted
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
	// Parked and Moved are a plan's: what waits for a person, and what somebody's newer
	// edit took out of it.
	Parked uint64    `json:"parked,omitempty"`
	Moved  uint64    `json:"moved,omitempty"`
	Since  time.Time `json:"since"`
	Error  string    `json:"error,omitempty"`
	// Result is what came of it.
	Result any `json:"result,omitempty"`

	changed chan struct{} // closed and replaced at every change
}

// keptTasks is how many ended tasks can still be asked for.
const keptTasks = 100

func newTasks(ctx context.Context, now func() time.Time) *tasks {
	return &tasks{ctx: ctx, now: now, byID: map[string]*task{}}
}

func (t *tasks) wait() { t.running.Wait() }

// start runs do in the background and gives the task as it begins. It is nil when a task
// of that name is running already.
func (t *tasks) start(name string, do func(ctx context.Context, progress func(done, total uint64)) (any, error)) *task {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, other := range t.byID {
		if other.Name == name && other.State == "running" {
			return nil
		}
	}
	return t.begin(name, func(ctx context.Context, change func(func(*task))) {
		result, err := do(ctx, func(done, total uint64) {
			change(func(one *task) { one.Done, one.Total = done, total })
		})
		change(func(one *task) {
			one.State, one.Result = "done", result
			if err != nil {
				one.State, one.Error, one.Result = "failed", err.Error(), nil
			}
		})
	})
}

// join gives the task of that name, running or ended, and starts it where there is none
// or it was interrupted.
// do must leave the task in a state that is not running.
func (t *tasks) join(name string, do func(ctx context.Context, change func(func(*task)))) *task {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, other := range t.byID {
		if other.Name == name && other.State != "interrupted" {
			there := *other
			return &there
		}
	}
	return t.begin(name, do)
}

// begin starts a task; the mutex is held.
func (t *tasks) begin(name string, do func(ctx context.Context, change func(func(*task)))) *task {
	now := t.now().UTC()
	one := &task{ID: ledger.NewID(now), Name: name, State: "running", Since: now, changed: make(chan struct{})}
	t.forget()
	t.byID[one.ID] = one
	t.running.Go(func() {
		do(t.ctx, func(f func(*task)) {
			t.mu.Lock()
			defer t.mu.Unlock()
			f(one)
			close(one.changed)
			one.changed = make(chan struct{})
		})
	})
	begun := *one
	return &begun
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

// accept answers for a task that was started: with the task, or, if the caller asks for
// a stream (text/event-stream or application/jsonl), with its progress to the end. The
// task goes on when the caller leaves.
func (s *Server) accept(w http.ResponseWriter, r *http.Request, one *task) error {
	if one == nil {
		return &problem{status: http.StatusConflict, code: "busy", detail: "This is being done already.", retryAfter: 5}
	}
	h := w.Header()
	h.Set("Location", "/v1/tasks/"+one.ID)
	accept := r.Header.Get("Accept")
	sse := strings.Contains(accept, "text/event-stream")
	if !sse && !strings.Contains(accept, "application/jsonl") {
		return s.send(w, r, http.StatusAccepted, map[string]any{"data": one})
	}
	h.Set("Content-Type", "application/jsonl")
	if sse {
		h.Set("Content-Type", "text/event-stream")
	}
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	for {
		now, ok := s.tasks.get(one.ID)
		if !ok {
			return nil
		}
		b, err := json.Marshal(now)
		if err != nil {
			return err
		}
		if sse {
			b = append([]byte("event: "+now.State+"\ndata: "), append(b, '\n')...)
		}
		if _, err := w.Write(append(b, '\n')); err != nil {
			return err
		}
		if err := flush.Flush(); err != nil {
			return err
		}
		if now.State != "running" {
			return nil
		}
		select {
		case <-now.changed:
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
}
