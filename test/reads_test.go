package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitae/test/harness"
)

// TestReadYourWrites: who has an answer sees the edit in everything read after it.
func TestReadYourWrites(t *testing.T) {
	pairs := 400
	if testing.Short() {
		pairs = 50
	}
	s := harness.Start(t, harness.Options{})
	admin := s.Admin()
	var wg sync.WaitGroup
	for w := range 8 {
		id := admin.Create(nil)
		wg.Go(func() {
			for n := range pairs {
				city := fmt.Sprintf("%d.%d", w, n)
				e := admin.Try(patch, harness.Profile(id), map[string]any{"city": city}).Edit(t)
				r := admin.Try(get, harness.Profile(id), nil)
				if r.Status != 200 || r.Data(t)["city"] != city {
					t.Errorf("pair %s: %d %s", city, r.Status, r.Body)
					return
				}
				at := admin.Try(get, harness.Profile(id, "?at=", strconv.FormatUint(e.Seq, 10)), nil)
				if at.Status != 200 || at.Data(t)["city"] != city {
					t.Errorf("pair %s as of %d: %d %s", city, e.Seq, at.Status, at.Body)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestPages: whatever the page size, the pages together are the history, each event once.
func TestPages(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	admin := s.Admin()
	id := admin.Create(first())
	for n := range 120 {
		admin.Must(200, patch, harness.Profile(id), map[string]any{"city": fmt.Sprint(n), "headline": fmt.Sprint(n % 7),
			"interests": []any{map[string]any{"name": fmt.Sprint(n % 5)}, map[string]any{"name": fmt.Sprint(n % 3), "description": "d"}}})
	}
	all := admin.MustHistory(id)
	if len(all) < 250 {
		t.Fatalf("only %d events", len(all))
	}
	for _, size := range []int{1, 7, 100, 1000} {
		var got []harness.Event
		pages := 0
		for after := ""; ; pages++ {
			var page struct {
				Data []harness.Event
				Next *string
			}
			admin.Must(200, get, harness.Profile(id, fmt.Sprintf("/history?limit=%d&after=%s", size, url.QueryEscape(after))), nil).Into(t, &page)
			if len(page.Data) > size {
				t.Fatalf("a page of %d has %d events", size, len(page.Data))
			}
			got = append(got, page.Data...)
			if page.Next == nil || *page.Next == "" {
				break
			}
			if after = *page.Next; pages > len(all) {
				t.Fatalf("pages of %d do not end", size)
			}
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("pages of %d:\n%.2000s", size, diff)
		}
	}
	// A filter takes exactly what it names.
	want := 0
	for _, e := range all {
		if e.Field == "headline" && e.View == "shared" {
			want++
		}
	}
	var page struct{ Data []harness.Event }
	admin.Must(200, get, harness.Profile(id, "/history?limit=1000&view=shared&field=headline"), nil).Into(t, &page)
	if len(page.Data) != want || want == 0 {
		t.Errorf("history of headline has %d events, want %d", len(page.Data), want)
	}
	for _, e := range page.Data {
		if e.Field != "headline" || e.View != "shared" {
			t.Errorf("not asked for: %+v", e)
		}
	}
}

// TestAsOf: the state at every sequence is the fold up to it, again and again.
func TestAsOf(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	admin := s.Admin()
	id := admin.Create(first())
	for n := range 40 {
		body := map[string]any{"city": fmt.Sprint(n)}
		switch n % 5 {
		case 1:
			body["phone"] = nil
		case 2:
			body["phones"] = []any{map[string]any{"number": fmt.Sprint("+", n), "type": "HOME"}, map[string]any{"number": "+99"}}
		case 3:
			body["skills"] = []any{map[string]any{"name": "SQL"}, map[string]any{"name": fmt.Sprint("skill ", n)}, map[string]any{"name": "Go", "level": "expert"}}
		case 4:
			body["nexudus"] = map[string]any{"onNewWallPost": n%2 == 0, "billingName": fmt.Sprint(n)}
			body["firstName@fr_FR"] = fmt.Sprint("Jeanne ", n)
		}
		admin.Must(200, patch, harness.Profile(id), body)
		if n%10 == 0 {
			admin.Must(201, post, "/v1/resume", map[string]any{"name": fmt.Sprint("resume ", n)}, "X-Vitae-Profile", id)
		}
	}
	_, events := whole(t, admin, id)
	for _, e := range events {
		if e.Index > 0 {
			continue
		}
		state := harness.Fold(events, e.Seq)
		if diff := state.Differs(admin.Read(id, fmt.Sprintf("?at=%d", e.Seq)), "base"); diff != "" {
			t.Fatalf("as of %d (-history +answer):\n%s", e.Seq, diff)
		}
		for _, resume := range state.Resumes() {
			doc := admin.Must(200, get, fmt.Sprintf("/v1/resume/%s?at=%d", resume, e.Seq), nil, "X-Vitae-Profile", id).Data(t)
			if diff := state.Differs(doc, resume); diff != "" {
				t.Fatalf("resume %s as of %d (-history +answer):\n%s", resume, e.Seq, diff)
			}
		}
	}
}

// TestRebuild: while the views are rebuilt, reads go on and never step back, and nothing
// is sent to anyone.
func TestRebuild(t *testing.T) {
	sandbox := harness.StartSandbox(t)
	provider := harness.NewRecorder(t, sandbox.URLs["mokaru"])
	s := harness.Start(t, harness.Options{Config: harness.Fast(provider.URL)})
	admin := s.Admin()
	id := admin.Create(first())
	credential := harness.Credential()
	if r := admin.Try(http.MethodPut, harness.Profile(id, "/connections/mokaru"), map[string]any{"credential": credential}); r.Status/100 != 2 {
		t.Fatalf("connecting: %d %s", r.Status, r.Body)
	}
	for n := range 200 {
		admin.Must(200, patch, harness.Profile(id), map[string]any{"headline": fmt.Sprint(n)})
	}
	settled(t, s)
	before := len(provider.Writes())

	// One client goes on editing what Mokaru does not carry, another one reads all the time.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 200; ctx.Err() == nil; n++ {
			if r := admin.Try(patch, harness.Profile(id), map[string]any{"headline": fmt.Sprint(n)}); r.Status != 200 {
				t.Errorf("editing: %d %s", r.Status, r.Body)
				return
			}
		}
	})
	reads := 0
	wg.Go(func() {
		last := 0
		for ; ctx.Err() == nil; reads++ {
			r := admin.Try(get, harness.Profile(id), nil)
			if r.Status != 200 {
				t.Errorf("reading: %d %s", r.Status, r.Body)
				return
			}
			n, err := strconv.Atoi(fmt.Sprint(r.Data(t)["headline"]))
			if err != nil || n < last {
				t.Errorf("reading %d after %d, %v", n, last, err)
				return
			}
			last = n
		}
	})
	for range 3 {
		if r := s.CLI("view", "rebuild"); r.Code != 0 {
			t.Errorf("view rebuild: %v", r)
		}
	}
	r := s.CLI("view", "list", "-o", "json")
	cancel()
	wg.Wait()
	var views []json.RawMessage
	if err := json.Unmarshal([]byte(r.Out), &views); err != nil || len(views) < 2 {
		t.Errorf("view list: %v", r)
	}
	t.Logf("%d reads meanwhile", reads)
	settled(t, s)
	if after := provider.Writes(); len(after) != before {
		t.Errorf("the rebuild made calls: %v", after[before:])
	}
	whole(t, admin, id)
}
