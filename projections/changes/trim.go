package changes

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vitae/ledger"
)

// trimPause is how often old events are looked for.
func (f *Feed) trimPause() time.Duration {
	return min(max(f.cfg.Keep/20, time.Second), time.Hour)
}

// trimAlways gives up old events from time to time; it never returns nil.
func (f *Feed) trimAlways(ctx context.Context) error {
	for tick := time.NewTicker(f.trimPause()); ; {
		if err := f.trim(ctx); err != nil && ctx.Err() == nil {
			// Old events stay a little longer.
			f.log.Warn("old events of the feed of changes are still there", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return ctx.Err()
		}
	}
}

// trim gives up the events that were written before Config.Keep, but for the last message.
func (f *Feed) trim(ctx context.Context) error {
	st, err := f.js.Stream(ctx, ledger.ChangesStream)
	if err != nil {
		return err
	}
	state := st.CachedInfo().State
	oldest := f.cfg.Now().Add(-f.cfg.Keep)
	if state.Msgs < 2 || !state.FirstTime.Before(oldest) {
		return nil
	}
	// The first one to stay: at the latest the last there is.
	n := sort.Search(int(state.LastSeq-state.FirstSeq), func(i int) bool {
		if err != nil {
			return true
		}
		var m stored
		m, _, err = f.get(ctx, map[string]uint64{"seq": state.FirstSeq + uint64(i)})
		if errors.Is(err, errAbsent) {
			err = nil
			return false // given up meanwhile
		}
		return !m.Time.Before(oldest)
	})
	if err != nil {
		return err
	}
	if err := st.Purge(ctx, jetstream.WithPurgeSequence(state.FirstSeq+uint64(n))); err != nil {
		return fmt.Errorf("trimming stream %s: %w", ledger.ChangesStream, err)
	}
	f.log.Debug("old events were given up", "stream", ledger.ChangesStream, "count", n)
	return nil
}
