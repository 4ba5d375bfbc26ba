package api

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

// TestDialectsLoseNoEdit: an edit that a dialect makes of whole old items is made of the
// items that are there when it is committed.
func TestDialectsLoseNoEdit(t *testing.T) {
	skills := `{"skills":[{"name":"Go","level":"%s"}]}`
	phones := `{"phones":[{"number":"+33 2","type":"%s"}]}`
	for via, c := range map[string]struct {
		native      string // with a %s, which the other writer changes
		before, now string
		edit        func(w *world, id ledger.ProfileID, key string) call
	}{
		"nexudus": {skills, "advanced", "expert", func(w *world, _ ledger.ProfileID, key string) call {
			return w.nexudus(key, `{"ProfileTags":"Go, Rust"}`)
		}},
		"postpress": {skills, "advanced", "expert", func(_ *world, id ledger.ProfileID, key string) call {
			return ppForm(t, key, "type=LINKEDIN", "account_id="+id.String(), "skills=Go", "skills=Rust")
		}},
		"jarvi": {phones, "work", "home", func(_ *world, _ ledger.ProfileID, key string) call {
			return jarviPost(key, `{"phoneNumbers":"+33 1,+33 2"}`)
		}},
	} {
		t.Run(via, func(t *testing.T) {
			w := newWorld(t, Config{})
			id := w.person(jane)
			key := w.key(id, keys.ProfileRead|keys.ProfileWrite)
			write := func(word string) call {
				return call{method: "PATCH", path: "/v1/profile", key: key, body: fmt.Sprintf(c.native, word)}
			}
			w.must(200, write(c.before))
			others := 1
			w.submit = func(ctx context.Context, req ledger.Request) (ledger.Reply, error) {
				if req.Meta.Via == via && others > 0 {
					others--
					w.must(200, write(c.now))
				}
				return w.com.Submit(ctx, req)
			}
			a := w.do(c.edit(w, id, key))
			if a.status >= 300 || others != 0 || a.header.Get("X-Vitae-Seq") != "" {
				t.Fatalf("%d %s %v", a.status, a.body, a.header)
			}
			doc := w.document(id)
			if got := fmt.Sprint(doc["skills"], doc["phones"]); !strings.Contains(got, c.now) || strings.Contains(got, c.before) {
				t.Errorf("%s is undone: %s", c.now, got)
			}
		})
	}
}

// TestJarviLeavesNoFiles: the files of a request that makes no profile are gone with it,
// whatever was wrong.
func TestJarviLeavesNoFiles(t *testing.T) {
	w, all := jarviWorld(t)
	key := w.key(ledger.ProfileID{}, keys.ProfileWrite)
	for name, value := range map[string]string{"Idempotency-Key": "é", "If-Match": `"3"`, "X-Vitae-Reason": strings.Repeat("x", 3000)} {
		c := jarviPost(key, `{"firstName":"A","files":[{"fileName":"f","data":"data:@file/pdf;base64,AAAA"}]}`)
		c.header[name] = value
		if a := w.do(c); a.status < 400 {
			t.Fatalf("%s: %d %s", name, a.status, a.body)
		}
		for e, err := range w.store.Files().Walk(t.Context(), "", false) {
			t.Errorf("%s: %s is left, %v", name, e.Key, err)
		}
	}
	if len(all.ids()) != 0 {
		t.Fatalf("%v", all.ids())
	}
}
