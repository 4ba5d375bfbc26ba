package exactlyonce

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"testing"

	"vitae/ledger"
	"vitae/ledger/engine"
	"vitae/ledger/stream"
	"vitae/sinks"
	"vitae/test/harness"
)

// journal is what the lanes' stream says, by lane, in order.
type journal map[sinks.Key][]sinks.Entry

// lanesStream is where the server keeps its lanes.
var lanesStream = stream.StreamConfig{Name: "LANES-0", Subject: "lanes.0", Replicas: 1, Trimmable: true}

// readJournal reads the journal of a server that was stopped.
func readJournal(t testing.TB, data string) journal {
	t.Helper()
	return readJournalOf(t, engine.Options{Dir: filepath.Join(data, "engine")})
}

func readJournalOf(t testing.TB, opt engine.Options) journal {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	e, err := engine.Open(ctx, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	blocks, err := stream.OpenJetStream(ctx, e.JetStream(), lanesStream)
	if err != nil {
		t.Fatal(err)
	}
	j := journal{}
	for entry, err := range sinks.ReadJournal(ctx, blocks, 1) {
		if err != nil {
			t.Fatal(err)
		}
		j[entry.Record.Key] = append(j[entry.Record.Key], entry)
	}
	return j
}

// claim is an attempt as the journal has it.
type claim struct {
	lane sinks.Key
	row  sinks.Entry
}

// claims are the attempts by id.
func (j journal) claims(t testing.TB) map[string]claim {
	t.Helper()
	out := map[string]claim{}
	for key, entries := range j {
		for _, e := range entries {
			if e.Row.Event != sinks.Claim {
				continue
			}
			id := e.Row.Attempt.String()
			if _, twice := out[id]; twice {
				t.Errorf("two attempts are called %s", id)
			}
			out[id] = claim{key, e}
		}
	}
	return out
}

// kept gives the attempts that the server's own journal has, of the profiles of some cells. It has those too whose
// blocks were given up when the lanes' stream was compacted.
func kept(t testing.TB, admin *harness.Client, cells []*cell) map[string]claim {
	t.Helper()
	out, read := map[string]claim{}, map[string]bool{}
	for _, c := range cells {
		if read[c.profile] {
			continue
		}
		read[c.profile] = true
		for after := ""; ; {
			var page struct {
				Data []struct {
					Sink    string           `json:"sink"`
					Profile ledger.ProfileID `json:"profile"`
					Entity  string           `json:"entity"`
					Event   string           `json:"event"`
					ToSeq   ledger.Seq       `json:"toSeq"`
					Attempt string           `json:"attempt"`
					Verb    json.RawMessage  `json:"verb"`
					Step    string           `json:"step"`
				} `json:"data"`
				Next string `json:"next"`
			}
			admin.Must(http.StatusOK, http.MethodGet, harness.Profile(c.profile, "/deliveries?limit=1000&after=", url.QueryEscape(after)), nil).Into(t, &page)
			for _, r := range page.Data {
				if r.Event != sinks.Claim.String() {
					continue
				}
				e := sinks.Entry{Record: sinks.Record{Key: sinks.Key{Sink: r.Sink, Profile: r.Profile, Entity: r.Entity}}}
				if err := json.Unmarshal(r.Verb, &e.Record.Verb); err != nil {
					t.Fatal(err)
				}
				e.Record.Step, e.Row.ToSeq = r.Step, r.ToSeq
				out[r.Attempt] = claim{e.Record.Key, e}
			}
			if after = page.Next; after == "" {
				break
			}
		}
	}
	return out
}

// check holds the journal against the calls that came to the providers. older has attempts whose blocks are not in
// the stream any more.
func (j journal) check(t testing.TB, calls []call, older map[string]claim) {
	t.Helper()
	for key, entries := range j {
		for i, e := range entries {
			if i == 0 {
				continue
			}
			was, is := entries[i-1].Record, e.Record
			if is.Epoch < was.Epoch || is.AckedSeq < was.AckedSeq || is.WantSeq < was.WantSeq || is.Rev <= was.Rev {
				t.Errorf("%v goes backwards: %+v after %+v", key, is, was)
			}
			if e.Row.Event == sinks.Claim && (is.Epoch != was.Epoch+1 || was.Phase == sinks.InFlight || was.Phase == sinks.Uncertain) {
				t.Errorf("%v: an attempt begins in phase %v, epoch %d after %d", key, was.Phase, is.Epoch, was.Epoch)
			}
		}
	}
	claims := j.claims(t)
	for attempt, c := range older {
		if _, there := claims[attempt]; !there {
			claims[attempt] = c
		}
	}
	lanes, seen := map[sinks.Key][]call{}, map[string]bool{}
	for _, c := range calls {
		if !c.write() {
			continue
		}
		made, known := claims[c.attempt]
		switch {
		case seen[c.attempt]:
			t.Errorf("the attempt %s was sent twice: %s %s", c.attempt, c.method, c.path)
		case !known:
			t.Errorf("no intent is stored for %s %s (attempt %q)", c.method, c.path, c.attempt)
		case known && made.row.Record.Step != c.step:
			t.Errorf("the step %q of the attempt %s was meant to be %q", c.step, c.attempt, made.row.Record.Step)
		}
		seen[c.attempt] = true
		if known {
			lanes[made.lane] = append(lanes[made.lane], c)
		}
	}
	for key, list := range lanes {
		slices.SortFunc(list, func(a, b call) int { return cmp.Compare(a.came, b.came) })
		creates := 0
		for i, c := range list {
			if i > 0 && c.came < list[i-1].ended {
				t.Errorf("%v: the attempt %s came while %s was under way", key, c.attempt, list[i-1].attempt)
			}
			if verb := claims[c.attempt].row.Record.Verb; (verb == sinks.VerbCreate || verb == sinks.VerbAppend) && c.good() {
				creates++
			}
		}
		if creates > 1 {
			t.Errorf("%v: the item was made %d times", key, creates)
		}
		landed := slices.DeleteFunc(slices.Clone(list), func(c call) bool { return c.landed == 0 })
		slices.SortFunc(landed, func(a, b call) int { return cmp.Compare(a.landed, b.landed) })
		for i := 1; i < len(landed); i++ {
			if was, is := claims[landed[i-1].attempt].row.Row.ToSeq, claims[landed[i].attempt].row.Row.ToSeq; is < was {
				t.Errorf("%v: what stands for commit %d arrived after %d", key, is, was)
			}
		}
	}
}

// looked says whether a lane's doubt was settled by a look, after a commit.
func (j journal) looked(key sinks.Key, after uint64) bool {
	return slices.ContainsFunc(j[key], func(e sinks.Entry) bool {
		return (e.Row.Event == sinks.Recognise && e.Row.From == sinks.Uncertain || e.Row.Event == sinks.Adopt) && uint64(e.Row.ToSeq) > after
	})
}
