package test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"vitae/ledger/proof"
	"vitae/test/evidence"
	"vitae/test/harness"
)

// TestEvidence exports bundles from a running server and verifies them with its command
// line, offline, and with the verifier that shares no code with it.
func TestEvidence(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	admin := s.Admin()
	id := admin.Create(map[string]any{"firstName": "Jane", "lastName": "Smith", "email": "jane@example.com"})
	other := admin.Create(map[string]any{"firstName": "Other"})
	text, _ := admin.NewKey(id, "own", "profile:read", "profile:write", "audit:read")
	own := s.Client(text)
	edit := func(body string) uint64 { return own.Must(200, patch, "/v1/profile", body).Edit(t).Seq }
	edit(`{"website":"jane.example","jobTitle":"Designer","projects":[{"id":"p1","name":"</script><b>","description":"\u202e"}]}`)
	admin.Must(200, patch, harness.Profile(other), `{"city":"Elsewhere"}`)
	third := edit(`{"jobTitle":"Editor","firstName":"Janet"}`)
	last := edit(`{"jobTitle":null}`)
	key := strings.TrimSpace(string(s.Client("").Must(200, get, "/log/key", nil).Body))
	path := harness.Profile(id, "/evidence")

	verify := func(what string, b []byte) *proof.EvidenceReport {
		t.Helper()
		r := proof.VerifyEvidence(b, key)
		if !r.OK() {
			t.Fatalf("%s: %v", what, r.Faults)
		}
		if f := evidence.Verify(b, key); len(f) > 0 {
			t.Errorf("%s: the second verifier: %v", what, f)
		}
		return r
	}
	whole := own.Must(200, get, path, nil).Body
	r := verify("the whole history", whole)
	if m := r.Bundle.Manifest; m.Commits != 4 || m.Values != 8 || !r.FromFirst() || !r.ToHead() || uint64(m.LastSeq) != last || m.Erased {
		t.Errorf("the whole history: %+v", m)
	}
	for _, want := range []string{`"\"Jane\""`, `"\"Janet\""`, `"\"https://jane.example\""`, `"\"jane.example\""`, `"\"Designer\""`} {
		if !bytes.Contains(whole, []byte(want)) {
			t.Errorf("the value %s is not in the bundle", want)
		}
	}
	if again := own.Must(200, get, path, nil).Body; !bytes.Equal(whole, again) {
		t.Error("the same request at the same checkpoint gives other bytes")
	}

	// Who sees values, and which.
	auditor, _ := admin.NewKey("*", "auditor", "audit:read")
	reader, _ := admin.NewKey("*", "reader", "audit:read", "values:read")
	stranger, _ := admin.NewKey(other, "stranger", "audit:read", "values:read")
	nothing, _ := admin.NewKey(id, "nothing", "profile:read")
	closed := s.Client(auditor).Must(200, get, path, nil).Body
	if r := verify("without values", closed); r.Bundle.Manifest.Values != 0 || bytes.Contains(closed, []byte("Jane")) || bytes.Contains(closed, []byte("jane")) {
		t.Errorf("a key without values:read sees values: %s", closed)
	}
	if b := s.Client(reader).Must(200, get, path, nil).Body; !bytes.Equal(b, whole) {
		t.Error("a key with values:read gets another bundle than the profile's own")
	}
	s.Client(auditor).Must(403, get, path+"?values=all", nil)
	s.Client(auditor).Must(403, get, path+"?values=jobTitle", nil)
	if b := s.Client(auditor).Must(200, get, path+"?values=none", nil).Body; !bytes.Equal(b, closed) {
		t.Error("no values, asked for and not, are two bundles")
	}
	s.Client(stranger).Must(403, get, path, nil)
	s.Client(nothing).Must(403, get, path, nil)
	s.Client("").Must(401, get, path, nil)
	s.Client(auditor).Must(404, get, harness.Profile("01ARZ3NDEKTSV4RRFFQ69G5FAV", "/evidence"), nil)

	some := own.Must(200, get, path+"?values=jobTitle,website", nil).Body
	if r := verify("two fields", some); r.Bundle.Manifest.Values != 3 || bytes.Contains(some, []byte("Jane")) {
		t.Errorf("two fields: %+v", r.Bundle.Manifest)
	}
	middle := own.Must(200, get, path+"?from=2&to="+number(third), nil).Body
	if r := verify("a range", middle); r.Bundle.Manifest.Commits != 2 || r.FromFirst() || r.ToHead() || uint64(r.Head.Seq) != last {
		t.Errorf("a range: %+v", r.Bundle.Manifest)
	}
	own.Must(404, get, path+"?from=2&to=2", nil)
	refused := own.Must(400, get, path+"?values=jobTitle,nope,no/pe", nil)
	if !bytes.Contains(refused.Body, []byte("nope")) || !bytes.Contains(refused.Body, []byte("no/pe")) {
		t.Errorf("both wrong fields are to be named: %s", refused.Body)
	}
	for _, q := range []string{"?from=x", "?to=99999", "?format=pdf", "?value=all", "?from=1&from=2"} {
		own.Must(400, get, path+q, nil)
	}

	// The page: the bundle in it is the same, and its texts are none of the page's.
	page := own.Must(200, get, path+"?format=html", nil)
	if !bytes.Equal(page.Body, proof.EvidencePage(whole)) || bytes.Contains(page.Body, []byte("</script><b>")) ||
		!strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || !strings.HasPrefix(page.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the page: %v", page.Header)
	}

	// The command line.
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, b []byte) string {
		if err := os.WriteFile(at(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	if r := s.CLI("evidence", "export", "--profile", id, "-f", at("jane.json")); r.Code != 0 {
		t.Fatal(r)
	}
	if b, err := os.ReadFile(at("jane.json")); err != nil || !bytes.Equal(b, whole) {
		t.Errorf("the command line writes another bundle: %v", err)
	}
	if r := s.CLI("evidence", "export", "--profile", id, "-f", at("jane.html"), "--html", "--values", "none"); r.Code != 0 {
		t.Fatal(r)
	}
	if b, err := os.ReadFile(at("jane.html")); err != nil || !bytes.Equal(b, proof.EvidencePage(closed)) {
		t.Errorf("the page of the command line: %v", err)
	}
	offline := func(args ...string) harness.Result {
		return harness.Command(t, []string{"VITAE_SERVER=http://127.0.0.1:1"}, "", append([]string{"evidence"}, args...)...)
	}
	keyFile := write("log.key", []byte(key+"\n"))
	if r := offline("verify", at("jane.json"), "--key", keyFile); r.Code != 0 || !strings.Contains(r.Out, id) {
		t.Error(r)
	}
	if r := offline("page", at("jane.json")); r.Code != 0 || r.Out != string(proof.EvidencePage(whole)) {
		t.Error("the page of a bundle")
	}
	foreign, err := proof.NewSigner("example.com/other")
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Replace(whole, []byte(`"\"Janet\""`), []byte(`"\"Jaret\""`), 1)
	for _, c := range []struct {
		what string
		code int
		says string
		args []string
	}{
		{"the key as text", 0, `"ok": true`, []string{at("jane.json"), "--key", key, "-o", "json"}},
		{"no key", 2, "", []string{at("jane.json")}},
		{"a key that is none", 2, "", []string{at("jane.json"), "--key", "nope"}},
		{"a file that holds no key", 2, "", []string{at("jane.json"), "--key", at("jane.json")}},
		{"no such bundle", 8, "", []string{at("none.json"), "--key", key}},
		{"not a bundle", 8, `"unreadable"`, []string{keyFile, "--key", key, "-o", "json"}},
		{"half a bundle", 8, `"unreadable"`, []string{write("half.json", whole[:len(whole)/2]), "--key", key, "-o", "json"}},
		{"another key", 8, `"key"`, []string{at("jane.json"), "--key", foreign.Key(), "-o", "json"}},
		{"a value altered", 8, `"seq": ` + number(third), []string{write("bad.json", bad), "--key", key, "-o", "json"}},
	} {
		if r := offline(append([]string{"verify"}, c.args...)...); r.Code != c.code || !strings.Contains(r.Out, c.says) {
			t.Errorf("%s: want %d and %s: %v", c.what, c.code, c.says, r)
		}
	}
	var v struct {
		Faults []struct {
			Seq   uint64
			Index *int
			Code  string
		}
	}
	if err := json.Unmarshal([]byte(offline("verify", at("bad.json"), "--key", key, "-o", "json").Out), &v); err != nil || len(v.Faults) != 1 || v.Faults[0].Seq != third ||
		v.Faults[0].Index == nil || v.Faults[0].Code != "value" {
		t.Errorf("a value altered: %v, %+v", err, v)
	}

	// After the erasure there are no values; what was exported before still verifies.
	admin.Must(200, http.MethodDelete, harness.Profile(id), nil)
	verify("a bundle from before the erasure", whole)
	gone := s.Client(reader).Must(200, get, path, nil).Body
	if r := verify("an erased profile", gone); !r.Bundle.Manifest.Erased || r.Bundle.Manifest.Values != 0 || !r.ToHead() || r.Bundle.Manifest.Commits != 5 ||
		bytes.Contains(gone, []byte("Jane")) {
		t.Errorf("an erased profile: %+v", r.Bundle.Manifest)
	}
	own.Must(410, get, path, nil)
}

func number(seq uint64) string { return strconv.FormatUint(seq, 10) }
