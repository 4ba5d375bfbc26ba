package ledger

import (
	"testing"
	"time"
)

func BenchmarkParseBlock(b *testing.B) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var commits [][]byte
	for range 32 {
		c := &Commit{ID: NewCommitID(now), Profile: NewProfileID(now), Time: now, Meta: Meta{Actor: "key:01JBENCH000000000000000000", Via: "native"}}
		for _, f := range []string{"phone", "jobTitle", "headline", "summary", "employer"} {
			c.Events = append(c.Events, Event{View: Shared, Field: f, Op: OpSet, Commitment: HashOf([]byte(f)), Sealed: make([]byte, 75)})
		}
		raw, err := AppendCommit(nil, c)
		if err != nil {
			b.Fatal(err)
		}
		commits = append(commits, raw)
	}
	block := AppendBlock(nil, NewCommitID(now), 1, Hash{}, commits)
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseBlock(block); err != nil {
			b.Fatal(err)
		}
	}
}
