package fsck

import (
	"time"

	"vitae/ledger"
)

// window is for how long what was seen is remembered. A commit's id is drawn when it is
// made, and an idempotency key counts for a day.
const window = 24 * time.Hour

// seen remembers keys with their times for a window at least, and two at most: its memory
// is bounded by what was written within two days.
type seen[K comparable] struct {
	young, old map[K]time.Time
	turned     time.Time
}

// at gives the time under which k was seen last, within the window before now, and
// remembers now. Times must not decrease.
func (s *seen[K]) at(k K, now time.Time) (before time.Time, ok bool) {
	if s.young == nil || now.Sub(s.turned) >= window {
		s.old, s.young, s.turned = s.young, map[K]time.Time{}, now
	}
	if before, ok = s.young[k]; !ok {
		before, ok = s.old[k]
	}
	s.young[k] = now
	return before, ok && now.Sub(before) < window
}

// late are commits whose id is older than the window when they are seen: the clock was set
// back between. They are few, and are looked for in the whole ledger.
type late map[ledger.CommitID]ledger.Seq
