package server

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"vitae/cmd/vitae/internal/config"
	"vitae/ledger/stream"
	"vitae/sinks"
	"vitae/sinks/journal"
)

// trimPatience is how long a compaction of the lanes waits for who reads them. Then the
// stream stays as long as it is until the next one.
const trimPatience = 10 * time.Second

// erasurePause is the pause before erasures are looked for again after a failure.
const erasurePause = time.Second

// journalFile is the journal of deliveries in the data folder.
const journalFile = "journal.sqlite"

// openJournal opens the journal of deliveries and follows the lanes into it until run ends;
// then it is closed. Every instance has its own, whoever owns the lanes.
func (s *Server) openJournal(ctx, run context.Context, cfg config.Config, lanes stream.Blocks) (*journal.Journal, error) {
	j, err := journal.Open(ctx, filepath.Join(cfg.Data, journalFile), lanes, s.log)
	if err != nil {
		return nil, err
	}
	if err := s.core.noticeOlderLanes(ctx, j, lanes); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	var following sync.WaitGroup
	following.Go(func() {
		if err := j.Run(run); err != nil {
			s.log.Error("the journal of deliveries has stopped; the lanes are not trimmed any more", "error", err)
		}
	})
	following.Go(func() {
		for run.Err() == nil {
			err := j.FollowErasures(run, s.core.Ledger)
			if err == nil {
				return
			}
			s.log.Warn("the journal of deliveries looks for erasures again", "error", err)
			select {
			case <-run.Done():
			case <-time.After(erasurePause):
			}
		}
	})
	s.running.Go(func() {
		following.Wait()
		<-run.Done() // queries go on when it has stopped
		if err := j.Close(); err != nil {
			s.log.Error("closing the journal of deliveries", "error", err)
		}
	})
	return j, nil
}

// noticeOlderLanes marks lanes that were put back from an older copy, by themselves or with
// the ledger: the journal has seen more of them than there is. The sinks then begin paused
// (see sinks.MarkRestored).
func (c *Core) noticeOlderLanes(ctx context.Context, j *journal.Journal, lanes stream.Blocks) error {
	why, err := j.WentBack(ctx)
	if err != nil || why == "" {
		return err
	}
	head, err := c.Ledger.Head(ctx)
	if err != nil {
		return err
	}
	c.log.Warn("the lanes are older than the journal of deliveries: calls may have been made that they do not know of; all sinks are paused", "why", why)
	return sinks.MarkRestored(ctx, lanes, c.Ledger.Lineage(), head.Seq)
}

// beforeTrim lets the journal and the feed of changes take in what a compaction of the lanes
// gives up.
func (s *Server) beforeTrim(j *journal.Journal) func(ctx context.Context, pos uint64) error {
	return func(ctx context.Context, pos uint64) error {
		ctx, cancel := context.WithTimeout(ctx, trimPatience)
		defer cancel()
		if err := j.WaitFor(ctx, pos); err != nil {
			return err
		}
		return s.feed.TakenReceipts(ctx, pos)
	}
}
