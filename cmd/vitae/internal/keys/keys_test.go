package keys

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitae/ledger"
	"vitae/ledger/vault"
)

const adminText = "vt_live_the-admin-key-of-the-tests"

func newVault(t *testing.T) *vault.Vault {
	t.Helper()
	v, err := vault.Open(t.Context(), vault.NewMemory(), vault.NewMaster())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func open(t *testing.T, kv KV, seal Sealer) *Store {
	t.Helper()
	s, err := Open(t.Context(), kv, seal, Options{Admin: adminText})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCreateLookupRevoke(t *testing.T) {
	kv, v := NewMemory(), newVault(t)
	s := open(t, kv, v)
	profile := ledger.NewProfileID(time.Now())
	if err := v.Create(t.Context(), profile); err != nil {
		t.Fatal(err)
	}
	k, text, err := s.Create(t.Context(), New{Name: "Jane's laptop", Profile: profile, Scopes: ProfileRead | AuditRead})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text, Prefix) || len(text) != len(Prefix)+43 {
		t.Errorf("text %q", text)
	}
	e, err := kv.Get(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(e.Value, []byte(text)) || bytes.Contains(e.Value, []byte("laptop")) {
		t.Errorf("the record tells the key or its name: %s", e.Value)
	}
	// Another instance, and this one after a restart, know the same.
	for name, s := range map[string]*Store{"maker": s, "reopened": open(t, kv, v)} {
		got := s.Lookup(text)
		if got == nil || got.ID != k.ID || got.Name != "Jane's laptop" || got.Profile != profile || got.ForAll() || got.IsAdmin() || got.LastUsed().IsZero() || got.Actor() != "key:"+k.ID {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		if !got.Has(ProfileRead|Operate) || got.Has(ProfileWrite|Operate) {
			t.Errorf("%s: scopes %s", name, got.Scopes)
		}
	}
	for _, wrong := range []string{"", text[:len(text)-1], text + "x", strings.ToLower(text), strings.Repeat("x", 1<<20)} {
		if s.Lookup(wrong) != nil {
			t.Errorf("%.20q is a key", wrong)
		}
	}
	if err := s.Revoke(t.Context(), k.ID); err != nil {
		t.Fatal(err)
	}
	if s.Lookup(text) != nil || open(t, kv, v).Lookup(text) != nil {
		t.Error("a revoked key works")
	}
	select {
	case <-k.Done():
	default:
		t.Error("Done is not closed")
	}
	if l := open(t, kv, v).List(); len(l) != 1 || l[0].Revoked().IsZero() {
		t.Errorf("list %v", l)
	}
	if err := errors.Join(s.Revoke(t.Context(), k.ID)); err != nil {
		t.Errorf("again: %v", err)
	}
	for _, id := range []string{"", "admin", "nobody"} {
		if err := s.Revoke(t.Context(), id); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("revoke %q: %v", id, err)
		}
	}
}

func TestAdmin(t *testing.T) {
	s := open(t, NewMemory(), newVault(t))
	k := s.Lookup(adminText)
	if k == nil || !k.ForAll() || !k.IsAdmin() || !k.Has(Operate) || k.Actor() != "admin" {
		t.Errorf("admin %+v", k)
	}
	if len(s.List()) != 0 {
		t.Error("the admin key is listed")
	}
	for _, bad := range []string{"", "short", strings.Repeat("x", 2000)} {
		if _, err := Open(t.Context(), NewMemory(), newVault(t), Options{Admin: bad}); err == nil {
			t.Errorf("%d characters were taken for an admin key", len(bad))
		}
	}
}

func TestNewCheck(t *testing.T) {
	one := ledger.NewProfileID(time.Now())
	s := open(t, NewMemory(), newVault(t))
	for _, n := range []New{{}, {Scopes: Admin, Profile: one}, {Scopes: Operate, Name: strings.Repeat("é", MaxName+1)}} {
		var refusal *ledger.Refusal
		if _, _, err := s.Create(t.Context(), n); !errors.As(err, &refusal) {
			t.Errorf("%+v: %v", n, err)
		}
	}
	for _, name := range All.Names() {
		if sc, ok := ParseScope(name); !ok || sc.String() != name {
			t.Errorf("scope %s", name)
		}
	}
	if _, ok := ParseScope("root"); ok {
		t.Error("root is a scope")
	}
}

// TestFollow: what one instance does, the other sees; a watch that breaks is started anew.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, v := &flaky{Memory: NewMemory(), broken: 2}, plain{}
		a := open(t, kv.Memory, v)
		b := open(t, kv, v)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		k, text, err := a.Create(ctx, New{Scopes: Operate})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * retryWait) // the bubble's clock: until b has started its watch anew
		synctest.Wait()
		there := b.Lookup(text)
		if there == nil {
			t.Fatal("the other instance does not know the key")
		}
		if err := a.Revoke(ctx, k.ID); err != nil {
			t.Fatal(err)
		}
		<-there.Done()
		if b.Lookup(text) != nil {
			t.Error("a revoked key works on the other instance")
		}
		k2, text2, err := b.Create(ctx, New{Scopes: Operate})
		if err != nil {
			t.Fatal(err)
		}
		if err := kv.Delete(ctx, k2.ID); err != nil {
			t.Fatal(err)
		}
		<-k2.Done()
		if b.Lookup(text2) != nil {
			t.Error("a key without a record works")
		}
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestRevokeRaces: two instances revoke at once; both succeed.
func TestRevokeRaces(t *testing.T) {
	kv := NewMemory()
	a := open(t, kv, plain{})
	k, _, err := a.Create(t.Context(), New{Scopes: Operate})
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, kv, plain{})
	if err := errors.Join(a.Revoke(t.Context(), k.ID), b.Revoke(t.Context(), k.ID)); err != nil {
		t.Error(err)
	}
}

// TestBadRecords: what cannot be read is no key, is said in the log, and does not stop the rest.
func TestBadRecords(t *testing.T) {
	kv, v := NewMemory(), newVault(t)
	_, text, err := open(t, kv, v).Create(t.Context(), New{Name: "good", Scopes: Operate})
	if err != nil {
		t.Fatal(err)
	}
	e, err := json.Marshal(record{ID: "B", Scopes: []string{"operate"}, Name: []byte("not sealed")})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{"A": "{", "B": string(e), "C": `{"id":"D"}`, "E": `{"id":"E","scopes":["root"]}`} {
		if _, err := kv.Create(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	s, err := Open(t.Context(), kv, v, Options{Admin: adminText, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if s.Lookup(text) == nil || len(s.List()) != 1 {
		t.Errorf("%d keys", len(s.List()))
	}
	if n := strings.Count(log.String(), "cannot be read"); n != 4 {
		t.Errorf("%d records are in the log: %s", n, log.String())
	}
}

// flaky is a bucket whose watch breaks the first times after it has given what is there.
type flaky struct {
	*Memory
	broken int
}

func (f *flaky) Watch(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range f.Memory.Watch(ctx) {
			if e.Key == "" && err == nil && f.broken > 0 {
				f.broken--
				if yield(e, nil) {
					yield(Entry{}, errors.New("the connection broke"))
				}
				return
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

type plain struct{}

func (plain) SealSystem(_, _ string, b []byte) ([]byte, error)                  { return b, nil }
func (plain) OpenSystem(_, _ string, b []byte) ([]byte, error)                  { return b, nil }
func (plain) SealOwn(_ ledger.ProfileID, _, _ string, b []byte) ([]byte, error) { return b, nil }
func (plain) OpenOwn(_ ledger.ProfileID, _, _ string, b []byte) ([]byte, error) { return b, nil }
