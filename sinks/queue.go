package sinks

import (
	"container/heap"
	"context"
	"slices"
	"time"
)

// queue holds the lanes of a sink that will be due, the next first. A lane is in it once
// at most. It is guarded by the manager's mutex.
type queue struct {
	lanes laneHeap
	wake  chan struct{} // capacity 1: look again
}

type laneHeap []*lane

func (h laneHeap) Len() int           { return len(h) }
func (h laneHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h laneHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}
func (h *laneHeap) Push(x any) {
	l := x.(*lane)
	l.at = len(*h)
	*h = append(*h, l)
}
func (h *laneHeap) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	l.at = -1
	return l
}

func (q *queue) put(l *lane, due time.Time) {
	if l.at >= 0 {
		l.due = due
		heap.Fix(&q.lanes, l.at)
	} else {
		l.due = due
		heap.Push(&q.lanes, l)
	}
	if l.at == 0 {
		q.nudge()
	}
}

func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default: // somebody did already
	}
}

func (q *queue) remove(l *lane) {
	if l.at >= 0 {
		heap.Remove(&q.lanes, l.at)
	}
}

// reschedule puts a lane where its record, its account and its sink say; whoever changes
// one of these calls it. The mutex is held.
func (m *Manager) reschedule(l *lane) {
	s := m.sinks[l.rec.Sink]
	if s == nil {
		return
	}
	m.tally(l)
	due, ok := m.due(s, l)
	if !ok {
		s.queue.remove(l)
		return
	}
	s.queue.put(l, due)
}

// tally keeps count of the lanes that are not at rest. The mutex is held.
func (m *Manager) tally(l *lane) {
	if moving := !l.gone && !l.resting(); moving != l.moving {
		if l.moving = moving; moving {
			m.moving++
		} else {
			m.moving--
		}
	}
}

func (m *Manager) rescheduleSink(name string) {
	m.eachLane(name, func(l *lane) { m.reschedule(l) })
}

// due says when the lane is to be looked at; ok is false when only a change from outside
// moves it.
func (m *Manager) due(s *sink, l *lane) (due time.Time, ok bool) {
	if l.gone || l.busy || l.acct.gone || l.acct.rec.State == Paused || m.sinkState(l.rec.Sink) == Paused {
		return due, false
	}
	switch l.rec.Phase {
	case Idle:
		if l.clean() {
			return due, false
		}
		due = l.oldest().Time().Add(s.cfg.Debounce)
	case Parked:
		if !l.newer() {
			return due, false
		}
		due = l.oldest().Time().Add(s.cfg.Debounce)
	case RetryWait:
		if !l.early {
			due = l.rec.NotBefore.Time()
		}
	case Uncertain, Taken:
		due = l.rec.SettleUntil.Time()
	default:
		return due, false
	}
	if l.hold.After(due) {
		due = l.hold
	}
	return due, true
}

// dispatch hands the lanes of one sink to its workers as they become due.
func (m *Manager) dispatch(ctx context.Context, s *sink) {
	defer close(s.work)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		l, wait := m.next(s, time.Now())
		if l == nil {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
			case <-s.queue.wake:
			case <-timer.C:
			}
			continue
		}
		select {
		case s.work <- l:
		case <-ctx.Done():
			m.mu.Lock()
			l.busy = false
			m.mu.Unlock()
		}
	}
}

// next takes the first lane that is due and makes it busy, or says how long to wait.
func (m *Manager) next(s *sink, now time.Time) (*lane, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(s.queue.lanes) == 0 {
		return nil, time.Hour
	}
	l := s.queue.lanes[0]
	if wait := l.due.Sub(now); wait > 0 {
		return nil, wait
	}
	heap.Pop(&s.queue.lanes)
	l.busy = true
	return l, 0
}

// waitFor puts a lane behind others at a bucket; they are woken as tokens come. The
// mutex is held, and the lane is busy.
func (m *Manager) waitFor(b *bucket, l *lane, wait time.Duration) {
	l.hold = time.Now().Add(time.Hour)
	if s := m.sinks[l.rec.Sink]; l.rec.Entity == s.entities[0].Name {
		b.waiting = slices.Insert(b.waiting, 0, l) // what is said of the person comes before the lists
	} else {
		b.waiting = append(b.waiting, l)
	}
	if b.timer == nil && !m.stopping {
		b.timer = time.AfterFunc(wait, func() { m.serve(b) })
	}
}

// serve wakes as many waiting lanes as there are tokens.
func (m *Manager) serve(b *bucket) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b.timer = nil
	now := time.Now()
	probe := *b
	probe.recent = append([]time.Time(nil), b.recent...)
	wait := probe.take(now)
	for wait == 0 && len(b.waiting) > 0 {
		l := b.waiting[0]
		b.waiting = b.waiting[1:]
		l.hold = time.Time{}
		m.reschedule(l)
		wait = probe.take(now)
	}
	if len(b.waiting) > 0 && !m.stopping {
		// A lane that was woken may find that it needs no call: look again soon.
		b.timer = time.AfterFunc(max(wait, 10*time.Millisecond), func() { m.serve(b) })
	}
}

func (m *Manager) stopTimers() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sinks {
		for _, b := range s.buckets {
			if b.timer != nil {
				b.timer.Stop()
				b.timer = nil
			}
		}
	}
}
