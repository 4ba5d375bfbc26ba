package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/ledger/engine"
	"vitae/ledger/vault"
)

var update = flag.Bool("update", false, "write the golden files")

func profile(t *testing.T, n byte) ledger.ProfileID {
	t.Helper()
	return ledger.ProfileID{15: n}
}

func record(t *testing.T, n int, p ledger.ProfileID) Record {
	return Record{Time: time.Date(2026, 5, 3, 10, 14, 0, 123e6, time.UTC), Actor: "key:01JCXR0000000000000000000A", Name: "auditor", Profile: p, Method: "GET",
		Route: "/v1/profiles/{profile}/history", Parts: map[string]string{"field": "jobTitle", "n": fmt.Sprint(n)}, Via: "cli", RequestID: "r1", Status: 200}
}

func open(t *testing.T) *vault.Vault {
	t.Helper()
	v, err := vault.Open(t.Context(), vault.NewMemory(), vault.NewMaster())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestLog: whatever the page size, the pages of a profile are its records, each once, in
// order, and no other's; on every store.
func TestLog(t *testing.T) {
	e, err := engine.Open(t.Context(), engine.Options{Dir: t.TempDir(), Name: "access"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	js, err := OpenJetStream(t.Context(), e.JetStream(), e.Replicas(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, store := range map[string]Store{"memory": &Memory{}, "jetstream": js} {
		t.Run(name, func(t *testing.T) {
			l := New(store, open(t))
			a, b := profile(t, 1), profile(t, 2)
			var want []Record
			for n := range 25 {
				r := record(t, n, a)
				if n%3 == 0 {
					r.Profile = b
				} else {
					want = append(want, r)
				}
				if err := l.Append(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			for _, size := range []int{1, 7, 100} {
				var got []Record
				for after := uint64(0); ; {
					page, err := l.Page(t.Context(), a, after, size)
					if err != nil {
						t.Fatal(err)
					}
					for _, e := range page {
						if e.Pos <= after {
							t.Fatalf("position %d after %d", e.Pos, after)
						}
						got, after = append(got, e.Record), e.Pos
					}
					if len(page) < size {
						break
					}
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("pages of %d: %d records, want %d:\n%v", size, len(got), len(want), got)
				}
			}
			if page, err := l.Page(t.Context(), profile(t, 3), 0, 10); err != nil || len(page) != 0 {
				t.Errorf("nobody's: %v, %v", page, err)
			}
		})
	}
	// It opens again with another age, and has what it had.
	again, err := OpenJetStream(t.Context(), e.JetStream(), e.Replicas(), 2*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := again.Next(t.Context(), profile(t, 1), 1); err != nil {
		t.Error(err)
	}
	if err := again.stream.DeleteMsg(t.Context(), 1); err == nil {
		t.Error("a record was deleted")
	}
	if err := again.stream.Purge(t.Context()); err == nil {
		t.Error("the records were purged")
	}
}

// TestSealed: nothing of a record is in the store but whose it is, and it opens as that
// profile's only.
func TestSealed(t *testing.T) {
	m := &Memory{}
	l := New(m, open(t))
	r := record(t, 1, profile(t, 1))
	if err := l.Append(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{r.Actor, r.Name, "history", "jobTitle"} {
		if bytes.Contains(m.records[0].sealed, []byte(text)) {
			t.Errorf("%q is in the store", text)
		}
	}
	m.records[0].profile = profile(t, 2)
	if _, err := l.Page(t.Context(), profile(t, 2), 0, 1); err == nil {
		t.Error("a record opens as another profile's")
	}
	m.Fail(ledger.ErrUnavailable)
	if err := l.Append(t.Context(), r); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("a store that fails: %v", err)
	}
}

// TestStoredForm pins what is stored, before it is sealed.
func TestStoredForm(t *testing.T) {
	b, err := encode(record(t, 1, profile(t, 1)))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "record-v1.json")
	if *update {
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(b, want) {
		t.Errorf("stored\n%s\nwant\n%s\n%v", b, want, err)
	}
	if r, err := decode(want); err != nil || !reflect.DeepEqual(r, record(t, 1, profile(t, 1))) {
		t.Errorf("read back %+v, %v", r, err)
	}
	for _, text := range []string{`{}`, `{"v":2}`, `{"v":1,"more":1}`, `[]`, ``} {
		if r, err := decode([]byte(text)); err == nil {
			t.Errorf("%s was read as %+v", text, r)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"v":1,"time":"2026-05-03T10:14:00Z"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode(b)
		if err != nil {
			return
		}
		again, err := encode(r)
		if err != nil {
			return // a time that JSON does not have
		}
		if !json.Valid(again) {
			t.Errorf("%s", again)
		}
	})
}
