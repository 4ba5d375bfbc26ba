package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/config"
	"vitae/ledger"
	"vitae/ledger/vault"
)

// node is a server in this process, on a folder.
type node struct {
	*testing.T
	s   *Server
	cfg config.Config
}

func startNode(t *testing.T, dir string) *node {
	t.Helper()
	n := &node{T: t, cfg: config.Config{Data: dir, Listen: "127.0.0.1:0", Replicas: 1}}
	var err error
	if n.s, err = Start(t.Context(), n.cfg, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) stop() {
	n.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := n.s.Close(ctx); err != nil {
		n.Fatal(err)
	}
}

// call makes a request with the admin key; headers come in pairs.
func (n *node) call(want int, method, path string, body any, headers ...string) map[string]any {
	n.Helper()
	var r io.Reader
	typ := "application/json"
	switch b := body.(type) {
	case nil:
	case []byte:
		r, typ = bytes.NewReader(b), "application/octet-stream"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			n.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(n.Context(), method, n.s.URL()+path, r)
	if err != nil {
		n.Fatal(err)
	}
	req.Header.Set("Content-Type", typ)
	req.Header.Set("Authorization", "Bearer "+n.s.AdminKey())
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		n.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		n.Fatalf("%s %s: %d %s %v, want %d", method, path, res.StatusCode, text, err, want)
	}
	out := map[string]any{}
	if len(text) > 0 && json.Unmarshal(text, &out) != nil {
		return nil
	}
	return out
}

func (n *node) create(body any) ledger.ProfileID {
	n.Helper()
	id, err := ledger.ParseProfileID(n.call(201, "POST", "/v1/profiles", body)["data"].(map[string]any)["id"].(string))
	if err != nil {
		n.Fatal(err)
	}
	return id
}

// count says how often bytes are in the files of a folder, as they are or in hexadecimal.
func count(t *testing.T, dir string, needle []byte) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		n += bytes.Count(b, needle) + bytes.Count(b, fmt.Appendf(nil, "%x", needle))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestErasureLeavesNoDigest: what is kept of values as keyed digests, and everything that
// the vault could open of a profile, is there before an erasure, and not after it, for
// somebody who has the folder and every key in it.
func TestErasureLeavesNoDigest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	n := startNode(t, dir)
	const email, account = "jane.unique@example.com", "urn-of-jane"
	id := n.create(map[string]any{"firstName": "Jane", "email": "before@example.com"})
	me := "/v1/profiles/" + id.String()
	body := map[string]any{"email": email, "phone": "+33 6 12 34 56 78"}
	n.call(200, "PATCH", me, body, "Idempotency-Key", "first", "X-Vitae-Reason", "a reason of hers")
	n.call(200, "PATCH", me, body, "Idempotency-Key", "no change")
	n.call(201, "POST", "/v1/keys", map[string]any{"profile": id, "name": "Jane's laptop", "scopes": []string{"profile:read"}}, "Idempotency-Key", "key")
	n.call(200, "PUT", me+"/connections/linkedin", map[string]any{"account": account, "credential": "token"})
	other := n.create(map[string]any{"firstName": "Joe", "email": "joe@example.com"})

	core := n.s.core
	entry, err := core.vaultEntry(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var keyset struct{ Keys []struct{ Wrapped []byte } }
	if err := json.Unmarshal(entry, &keyset); err != nil || len(keyset.Keys) != 1 {
		t.Fatalf("keyset %s, %v", entry, err)
	}
	wrapped, err := json.Marshal(keyset.Keys[0].Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	digest := func(kind, provider, value string) []byte {
		d := core.Vault.SystemDigest("directory", []byte(kind), []byte(provider), []byte(value))
		return d[:]
	}
	// The body of a request, as it would be tried by whoever has the system's key.
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	tried := core.Vault.SystemDigest("idempotency-body", []byte("PATCH"), []byte(me), []byte(id.String()), text)
	traces := map[string][]byte{
		"e-mail address": digest("email", "", email), "e-mail address before it": digest("email", "", "before@example.com"),
		"account": digest("account", "linkedin", account), "wrapped key": bytes.Trim(wrapped, `"`),
	}
	records, err := core.History.Commits(t.Context(), id, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	joes := digest("email", "", "joe@example.com")
	n.stop()
	for name, trace := range traces {
		if found := count(t, dir, trace); found == 0 && name != "e-mail address before it" {
			t.Errorf("before: the %s is in no file: the test shows nothing", name)
		}
	}
	n = startNode(t, dir)
	heads := func() string {
		t.Helper()
		joe, err := n.s.core.History.Commits(t.Context(), other, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		return string(joe[0].Raw)
	}
	was := heads()
	n.call(200, "DELETE", me, nil)
	for name, trace := range traces {
		if found := count(t, dir, trace); found > 0 {
			t.Errorf("while it runs: the %s is in the files %d times", name, found)
		}
	}
	n.stop()
	n = startNode(t, dir)
	for name, trace := range traces {
		if found := count(t, dir, trace); found > 0 {
			t.Errorf("after a restart: the %s is in the files %d times", name, found)
		}
	}
	if count(t, dir, joes) == 0 || heads() != was {
		t.Error("another profile lost something")
	}
	if count(t, dir, tried[:16]) > 0 {
		t.Error("a request's body can be tried against the ledger")
	}
	// Nothing of what was sealed opens.
	v := n.s.core.Vault
	for _, r := range records {
		for i, e := range r.Commit.Events {
			if e.Sealed == nil {
				continue
			}
			if _, err := v.Open(id, r.Commit.ID, i, e.Sealed); !errors.Is(err, ledger.ErrErased) {
				t.Errorf("event %d.%d: %v", r.Seq, i, err)
			}
		}
		if r.Commit.SealedReason != nil {
			if _, err := v.Open(id, r.Commit.ID, ledger.ReasonIndex, r.Commit.SealedReason); !errors.Is(err, ledger.ErrErased) {
				t.Errorf("the reason of %d: %v", r.Seq, err)
			}
		}
	}
	if err := v.Create(t.Context(), id); !errors.Is(err, ledger.ErrErased) {
		t.Errorf("another key for it: %v", err)
	}
	opened := 0
	for _, bucket := range []string{"IDEMPOTENCY", "UPLOADS", "KEYS"} {
		for subject, value := range n.s.core.messages(t, "KV_"+bucket) {
			key := subject[strings.LastIndexByte(subject, '.')+1:]
			for _, purpose := range []string{"idempotency", "linkedin-media", "key.name"} {
				if b, err := v.OpenSystem(purpose, key, value); err == nil {
					opened++
					t.Errorf("%s: %s opens: %s", bucket, key, b)
				}
			}
			if bytes.Contains(value, []byte("laptop")) {
				t.Errorf("%s: %s", bucket, value)
			}
		}
	}
	for _, k := range n.s.keys(t) {
		if k["profile"] == id.String() && (k["name"] != "" || k["revokedAt"] == nil) {
			t.Errorf("key %v", k)
		}
	}
	// A write that comes too late leaves nothing behind.
	if err := v.PutSecret(t.Context(), id, "late", []byte("late")); !errors.Is(err, ledger.ErrErased) {
		t.Errorf("a late credential: %v", err)
	}
	if _, err := v.PutFile(t.Context(), id, "image/png", strings.NewReader("late"), 1<<20); !errors.Is(err, ledger.ErrErased) {
		t.Errorf("a late file: %v", err)
	}
	if h, err := v.Holdings(t.Context(), id); err != nil || h != (vault.Holdings{}) {
		t.Errorf("left: %+v, %v", h, err)
	}
	n.stop()
}

// messages reads a stream of the engine.
func (c *Core) messages(t *testing.T, stream string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	st, err := c.Engine.JetStream().Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	info := st.CachedInfo().State
	for seq := info.FirstSeq; seq <= info.LastSeq && info.Msgs > 0; seq++ {
		if m, err := st.GetMsg(t.Context(), seq); err == nil {
			out[m.Subject] = m.Data
		}
	}
	return out
}

// vaultEntry is the stored keyset of a profile.
func (c *Core) vaultEntry(ctx context.Context, id ledger.ProfileID) ([]byte, error) {
	st, err := c.Engine.JetStream().Stream(ctx, "KV_"+vault.KeysBucket)
	if err != nil {
		return nil, err
	}
	m, err := st.GetLastMsgForSubject(ctx, "$KV."+vault.KeysBucket+"."+id.String())
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

// keys lists the API keys.
func (s *Server) keys(t *testing.T) (out []map[string]any) {
	t.Helper()
	n := &node{T: t, s: s}
	for _, k := range n.call(200, "GET", "/v1/keys", nil)["data"].([]any) {
		out = append(out, k.(map[string]any))
	}
	return out
}
