package fault

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"vitae/test/harness"
)

// subscriber is an endpoint that takes signed events, and refuses one in five at first.
type subscriber struct {
	t      *testing.T
	verify *standard.Webhook
	grown  chan struct{} // capacity 1

	mu     sync.Mutex
	fate   *rand.Rand
	strict bool                // takes everything
	order  map[string][]string // by profile: the ids, as they were first taken
	taken  map[string]string   // by id: the body
	seqs   map[uint64]bool
}

func (s *subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender was killed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.verify == nil { // the secret is not known yet
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if err := s.verify.Verify(body, r.Header); err != nil {
		s.t.Errorf("signature: %v", err)
	}
	if !s.strict && s.fate.IntN(5) == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var e struct {
		ID, Subject, Type string
		Data              struct{ Seq uint64 }
	}
	if err := json.Unmarshal(body, &e); err != nil {
		s.t.Errorf("%v in %s", err, body)
	}
	if id := r.Header.Get("Webhook-Id"); id != e.ID {
		s.t.Errorf("webhook-id %s of event %s", id, e.ID)
	}
	if before, again := s.taken[e.ID]; again && before != string(body) {
		s.t.Errorf("event %s came as\n%s\nand as\n%s", e.ID, before, body)
	} else if !again {
		s.taken[e.ID] = string(body)
		s.order[e.Subject] = append(s.order[e.Subject], e.ID)
		s.seqs[e.Data.Seq] = true
	}
	select {
	case s.grown <- struct{}{}:
	default:
	}
}

var long = flag.Bool("long", false, "more writers, edits and kills")

// TestWebhooksOverKills: while 16 clients write and the server is killed again and again,
// every commit arrives at an endpoint that refuses some, signed, under one id, and in order
// for each profile. Its address and its secret are in no file and no log.
func TestWebhooksOverKills(t *testing.T) {
	writers, edits, kills := 16, 40, 4
	if *long {
		writers, edits, kills = 64, 300, 5
	}
	const secretPath = "Zq7xVtR3kWhook"
	sub := &subscriber{t: t, grown: make(chan struct{}, 1), fate: rand.New(rand.NewPCG(1, 2)), order: map[string][]string{}, taken: map[string]string{}, seqs: map[uint64]bool{}}
	endpoint := httptest.NewServer(sub)
	defer endpoint.Close()
	s := harness.Start(t, harness.Options{Env: []string{"VITAE_ALLOW_PRIVATE_WEBHOOKS=true"}})
	admin := s.Admin()
	made := admin.Must(201, "POST", "/v1/webhooks", map[string]any{"url": endpoint.URL + "/" + secretPath, "types": []string{"vitae.profile.changed.v1"}}).Data(t)
	secret := made["secret"].(string)
	verify, err := standard.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	sub.mu.Lock()
	sub.verify = verify
	sub.mu.Unlock()
	var ids []string
	for range 8 {
		ids = append(ids, admin.Create(nil))
	}
	var acked atomic.Int64
	moved := make(chan struct{}, 1)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range edits {
				body, err := json.Marshal(map[string]any{"headline": fmt.Sprintf("%d.%d", w, n)})
				if err != nil {
					t.Error(err)
					return
				}
				call := harness.Call{Method: "PATCH", Path: harness.Profile(ids[(w+n)%len(ids)]), Body: body, Header: map[string]string{"Idempotency-Key": fmt.Sprintf("k%d-%d", w, n)}}
				for ctx.Err() == nil {
					if r, err := admin.Do(ctx, call); err == nil && r.Status == http.StatusOK {
						break
					}
				}
				acked.Add(1)
				select {
				case moved <- struct{}{}:
				default:
				}
			}
		})
	}
	for k := range kills {
		for acked.Load() < int64((k+1)*writers*edits/(kills+1)) {
			select {
			case <-moved:
			case <-ctx.Done():
				t.Fatalf("%d edits were answered", acked.Load())
			}
		}
		s.Kill9()
		s.Restart()
	}
	wg.Wait()
	sub.mu.Lock()
	sub.strict = true
	sub.mu.Unlock()
	// What waits for its next attempt is asked for at once.
	admin.Must(200, "POST", "/v1/webhooks/"+made["id"].(string)+"/redrive", nil)

	want := map[string][]uint64{}
	total := 0
	for _, id := range ids {
		last := uint64(0)
		for _, e := range admin.MustHistory(id) {
			if e.Seq != last {
				want[id], last = append(want[id], e.Seq), e.Seq
				total++
			}
		}
	}
	for {
		sub.mu.Lock()
		have := len(sub.seqs)
		sub.mu.Unlock()
		if have >= total {
			break
		}
		select {
		case <-sub.grown:
		case <-time.After(harness.Patience):
			t.Fatalf("%d of %d commits arrived\n%s", have, total, admin.Must(200, "GET", "/v1/webhooks/"+made["id"].(string), nil).Body)
		}
	}
	sub.mu.Lock()
	defer sub.mu.Unlock()
	for id, seqs := range want {
		next := 0
		for _, event := range sub.order[id] {
			var e struct{ Data struct{ Seq uint64 } }
			if err := json.Unmarshal([]byte(sub.taken[event]), &e); err != nil {
				t.Fatal(err)
			}
			if next < len(seqs) && e.Data.Seq == seqs[next] {
				next++
			} else if next == 0 || e.Data.Seq != seqs[next-1] {
				t.Errorf("profile %s: the event of commit %d comes when %d is due", id, e.Data.Seq, seqs[min(next, len(seqs)-1)])
			}
		}
		if next != len(seqs) {
			t.Errorf("profile %s: %d of %d commits", id, next, len(seqs))
		}
	}
	s.Stop()
	for _, hidden := range []string{secretPath, strings.TrimPrefix(secret, "whsec_")} {
		if strings.Contains(s.Logs.String(), hidden) {
			t.Errorf("%s is in the log", hidden)
		}
		err := filepath.WalkDir(s.Data, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if err == nil && strings.Contains(string(b), hidden) {
				t.Errorf("%s is in %s", hidden, path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
