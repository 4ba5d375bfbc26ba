package test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vitae/ledger/proof"
	"vitae/test/harness"
)

// planted is how many values of the erased profile are looked for.
const planted = 1000

// receiptOf reads the reply of an erasure.
type receiptOf struct {
	Success bool
	Note    *string
	Receipt *struct {
		Profile, Commit, Hash, Proof string
		Seq                          uint64
		Erased                       bool
		Destroyed                    struct {
			Key                     bool
			Secrets, Files, APIKeys int
			Purged                  []string
		}
		Providers []struct {
			Provider                                   string
			Lanes, Delivered, Pending, Parked, Unknown int
			Holds                                      []struct {
				Entity string
				Fields []string
				Items  int
			}
		}
	}
}

func erase(t *testing.T, admin *harness.Client, id string) receiptOf {
	t.Helper()
	var r receiptOf
	admin.Must(200, http.MethodDelete, harness.Profile(id), nil, "X-Vitae-Reason", "asked for").Into(t, &r)
	if !r.Success || r.Receipt == nil || r.Receipt.Profile != id || !r.Receipt.Erased || !r.Receipt.Destroyed.Key {
		t.Fatalf("receipt %+v", r)
	}
	return r
}

// TestErasureLeavesNothing: of an erased profile nothing is found that its owner or a
// provider put there, in any file; who shares values with it keeps them, and everybody
// else's history is byte for byte what it was.
func TestErasureLeavesNothing(t *testing.T) {
	sandbox := harness.StartSandbox(t)
	s := harness.Start(t, harness.Options{Config: five(sandbox)})
	admin := s.Admin()
	p := &planter{names: map[string]string{}}

	id := admin.Create(map[string]any{"firstName": "Jane", "lastName": p.text("creation"), "email": p.text("creation") + "@example.com"})
	me, as := harness.Profile(id), []string{"X-Vitae-Profile", id}
	picture := p.text("file content")
	p.file = upload(t, admin, picture, p.text("file name"), id)
	for len(p.names) < planted {
		admin.Must(200, patch, me, p.body(), "X-Vitae-Reason", p.text("reason"), "Idempotency-Key", p.text("idempotency key"))
	}
	// Marks are no values that the providers take: what they get is plain.
	admin.Must(200, post, harness.Profile(id, "/clear"), nil)
	shared := map[string]any{"phone": "+33 6 12 34 56 78", "picture": p.file,
		"skills": []any{map[string]any{"name": "Go"}, map[string]any{"name": "SQL"}, map[string]any{"name": "NATS"}}}
	admin.Must(200, patch, me, shared, "Idempotency-Key", "shared")
	admin.Must(200, patch, me, shared, "Idempotency-Key", "no change") // its reply is kept
	key, _ := admin.NewKeyWith([]string{"Idempotency-Key", "a key"}, id, p.text("key name"), "profile:read", "profile:write", "audit:read", "values:read")
	own := s.Client(key)
	own.Must(200, post, "/v2/assets?action=registerUpload", map[string]any{"registerUploadRequest": map[string]any{
		"recipes": []string{"urn:li:digitalmediaRecipe:profile-displayphoto-image"}, "owner": "urn:li:person:" + id,
		"serviceRelationships": []map[string]any{{"relationshipType": "OWNER", "identifier": "urn:li:userGeneratedContent"}}}})

	// A member with items at LinkedIn, and one at Jarvi: both have names of their own there.
	for provider, account := range map[string]string{"linkedin": "yrZCpj2ZYQ", "jarvi": p.text("external id")} {
		credential := p.text("credential")
		if provider == "jarvi" {
			credential = harness.Credential()
		}
		if r := admin.Try(http.MethodPut, harness.Profile(id, "/connections/"+provider), map[string]any{"account": account, "credential": credential}); r.Status/100 != 2 {
			t.Fatalf("connecting %s: %d %s", provider, r.Status, r.Body)
		}
	}
	friend := admin.Create(map[string]any{"firstName": "Joe", "phone": "+33 6 12 34 56 78", "email": "joe@example.com"})
	again := &planter{n: p.n, names: map[string]string{}}
	file := upload(t, admin, picture, again.text("file name"), friend)
	if file != p.file {
		t.Fatal("the two files are not the same: the test shows nothing")
	}
	admin.Must(200, patch, harness.Profile(friend), map[string]any{"picture": file})
	stranger := admin.Create(map[string]any{"firstName": "Ann"})
	settled(t, s, "--profile", id)

	refs := refsOf(t, admin, id)
	if len(refs) < 3 {
		t.Fatalf("the providers gave %d names: the test shows nothing", len(refs))
	}
	s.Stop()
	for _, ref := range refs {
		if len(holding(t, s.Data, ref)) == 0 {
			t.Fatalf("the name %s is in no file: the test shows nothing", ref)
		}
	}
	s.Restart()
	histories := map[string][]byte{}
	for _, other := range []string{friend, stranger} {
		histories[other] = admin.Must(200, get, harness.Profile(other, "/history?limit=1000"), nil).Body
	}

	r := erase(t, admin, id)
	if d := r.Receipt.Destroyed; d.Secrets != 2 || d.Files != 1 || d.APIKeys != 1 || !slices.Contains(d.Purged, "directory") || !slices.Contains(d.Purged, "journal") {
		t.Errorf("destroyed %+v", d)
	}
	if len(r.Receipt.Providers) != 2 {
		t.Errorf("providers %+v", r.Receipt.Providers)
	}

	look := func(when string) {
		t.Helper()
		f := finder{names: p.names}
		f.add("a text", markText)
		f.inFolder(t, s.Data, "admin.key", "master.key")
		for _, ref := range refs {
			if files := holding(t, s.Data, ref); files != nil {
				t.Errorf("%s: the provider's name %s is in %v", when, ref, files)
			}
		}
	}
	after := func() {
		t.Helper()
		gone(t, admin, own, id, p.file)
		for other, want := range histories {
			if got := admin.Must(200, get, harness.Profile(other, "/history?limit=1000"), nil).Body; !bytes.Equal(got, want) {
				t.Errorf("the history of %s is not what it was", other)
			}
		}
		if got := admin.Must(200, get, "/v1/files/"+file, nil, "X-Vitae-Profile", friend); !bytes.Contains(got.Body, []byte(picture)) {
			t.Error("the file that both had is gone")
		}
		if got := admin.Read(friend, "")["phone"]; got != "+33 6 12 34 56 78" {
			t.Errorf("the phone number that both had is %v", got)
		}
		if r := s.CLI("fsck"); r.Code != 0 {
			t.Errorf("fsck: %v", r)
		}
	}
	after()
	admin.Must(422, patch, harness.Profile(stranger), shared, "Idempotency-Key", "no change") // it was another request's
	admin.Must(410, post, "/v1/skills", map[string]any{"name": "x"}, append(as, "Idempotency-Key", "late")...)
	look("while it runs")
	s.Kill9()
	look("after a kill")
	s.Restart()
	after()
	s.CLI("view", "rebuild")
	after()
	s.Stop()
	look("after a stop")

	// Whoever has a copy of the folder, with its master key, can open nothing either.
	copied := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(copied, os.DirFS(s.Data)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"admin.key", "master.key"} {
		if err := os.Chmod(filepath.Join(copied, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := harness.Start(t, harness.Options{Data: copied, Config: five(sandbox)})
	gone(t, c.Admin(), c.Client(key), id, p.file)
	if r := c.CLI("fsck"); r.Code != 0 {
		t.Errorf("fsck of the copy: %v", r)
	}
}

// refsOf are the names that providers gave to what the profile has there, those that are
// long enough to be looked for.
func refsOf(t *testing.T, admin *harness.Client, id string) (out []string) {
	t.Helper()
	for _, c := range admin.Must(200, get, harness.Profile(id, "/connections"), nil).List(t) {
		for _, l := range c["lanes"].([]any) {
			if ref, _ := l.(map[string]any)["providerRef"].(string); len(ref) >= 6 && !strings.Contains(ref, id) {
				out = append(out, ref)
			}
		}
	}
	return out
}

// holding lists the files that a text is in.
func holding(t *testing.T, dir, text string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && bytes.Contains(b, []byte(text)) {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// gone checks every family of routes for an erased profile.
func gone(t *testing.T, admin, own *harness.Client, id, file string) {
	t.Helper()
	as := []string{"X-Vitae-Profile", id}
	type request struct {
		method, path string
		body         any
	}
	for _, c := range []request{
		{get, "/v1/profile", nil}, {get, "/v1/profile?at=1", nil}, {patch, "/v1/profile", map[string]any{"city": "Oslo"}},
		{get, "/v1/resume", nil}, {get, "/v1/resume/base", nil}, {post, "/v1/resume", map[string]any{"name": "x"}}, {patch, "/v1/resume/base", map[string]any{"name": "x"}},
		{get, "/v1/skills", nil}, {post, "/v1/skills", map[string]any{"name": "x"}}, {get, "/v1/files/" + file, nil},
		{get, harness.Profile(id), nil}, {http.MethodDelete, harness.Profile(id), nil}, {get, harness.Profile(id, "/connections"), nil},
		{http.MethodPut, harness.Profile(id, "/connections/mokaru"), map[string]any{"credential": "c"}},
		{http.MethodDelete, harness.Profile(id, "/connections/mokaru"), nil}, {get, harness.Profile(id, "/deliveries"), nil},
		{post, harness.Profile(id, "/clear"), nil}, {get, harness.Profile(id, "/blame"), nil}, {get, harness.Profile(id, "/diff?from=1&to=2"), nil},
		{post, harness.Profile(id, "/restore"), map[string]any{"to": 1}},
	} {
		for who, client := range map[string]*harness.Client{"the admin": admin, "the profile's own key": own} {
			if r := client.Try(c.method, c.path, c.body, as...); r.Status != 410 {
				t.Errorf("%s: %s %s: %d %s", who, c.method, c.path, r.Status, r.Body)
			}
		}
	}
	// The dialects have the statuses of their own documents.
	for path, want := range map[string]int{"/en/profile?_resource=Coworker": 410, "/v2/me": 410, "/v2/people/(id:" + id + ")": 410,
		"/api/v1/users/me?account_id=" + id: 404} {
		for who, client := range map[string]*harness.Client{"the admin": admin, "the profile's own key": own} {
			if r := client.Try(get, path, nil, append(as, "X-RestLi-Protocol-Version", "2.0.0")...); r.Status != want {
				t.Errorf("%s: GET %s: %d %s, want %d", who, path, r.Status, r.Body, want)
			}
		}
	}
	if r := admin.Try(post, "/v1/public-api/rest/v2/profiles", map[string]any{"id": id, "firstName": "Jane"}); r.Status/100 != 4 {
		t.Errorf("made again by Jarvi's request: %d %s", r.Status, r.Body)
	}
	events := admin.MustHistory(id)
	for _, e := range events {
		if e.Value != nil || e.Previous != nil {
			t.Errorf("event %d.%d has a value", e.Seq, e.Index)
		}
	}
	if err := harness.CheckChain(id, events); err != nil {
		t.Error(err)
	}
	if own.Try(get, harness.Profile(id, "/history"), nil).Status != 410 {
		t.Error("the profile's own key reads the history")
	}
	var r receiptOf
	admin.Must(200, get, harness.Profile(id, "/receipt"), nil).Into(t, &r)
	if r.Receipt == nil || r.Note == nil || r.Receipt.Profile != id || r.Receipt.Proof != fmt.Sprintf("/v1/log/proof?seq=%d", r.Receipt.Seq) {
		t.Fatalf("receipt %+v", r)
	}
	signed := *r.Note
	vkey := strings.TrimSpace(string(admin.Must(200, get, "/log/key", nil).Body))
	text, err := proof.VerifyText([]byte(signed), vkey)
	if err != nil || !strings.Contains(text, `"profile":"`+id+`","seq":`) {
		t.Errorf("the signed receipt: %v\n%s", err, signed)
	}
	admin.Must(200, get, r.Receipt.Proof, nil)
	if last := events[len(events)-1]; last.Op != "erased" || last.Hash != r.Receipt.Hash || last.Seq != r.Receipt.Seq {
		t.Errorf("the last event is %+v, the receipt names %d %s", last, r.Receipt.Seq, r.Receipt.Hash)
	}
}

// TestProvidersAreClearedFirst: what an emptying takes away at a provider is told, then
// done, then the profile is erased; the receipt says what is left there.
func TestProvidersAreClearedFirst(t *testing.T) {
	sandbox := harness.StartSandbox(t)
	s := harness.Start(t, harness.Options{Config: five(sandbox)})
	admin := s.Admin()
	id := admin.Create(map[string]any{"firstName": "Jane", "lastName": "Smith", "headline": "Engineer", "skills": []any{map[string]any{"name": "Go"}}})
	token := harness.Credential()
	admin.Must(200, http.MethodPut, harness.Profile(id, "/connections/linkedin"), map[string]any{"account": "yrZCpj2ZYQ", "credential": token})
	settled(t, s, "--profile", id)
	if r := s.CLI("profile", "erase", id, "--clear-providers", "--dry-run"); r.Code != 0 || !strings.Contains(r.Out, "headline") || !strings.Contains(r.Out, "skills (1)") || !strings.Contains(r.Out, "firstName, lastName") {
		t.Fatalf("what would be: %v", r)
	}
	if admin.Read(id, "")["headline"] != "Engineer" {
		t.Fatal("a dry run has changed something")
	}
	if r := s.CLI("profile", "erase", id, "--clear-providers"); r.Code != 2 {
		t.Fatalf("without a terminal and --yes: %v", r)
	}
	r := s.CLI("profile", "erase", id, "--clear-providers", "--timeout", "30s", "--yes", "-o", "json")
	if r.Code != 0 {
		t.Fatal(r)
	}
	var got receiptOf
	harness.Reply{Body: []byte(r.Out)}.Into(t, &got)
	p := got.Receipt.Providers
	if len(p) != 1 || p[0].Delivered != p[0].Lanes || len(p[0].Holds) != 1 || strings.Join(p[0].Holds[0].Fields, " ") != "firstName lastName" {
		t.Errorf("the receipt says %+v", p)
	}
	there := harness.LinkedIn(t, sandbox.URL("linkedin"), token, "yrZCpj2ZYQ")
	if there["headline"] != nil || fmt.Sprint(there["skills"]) != "<nil>" && fmt.Sprint(there["skills"]) != "map[]" || there["firstName"] == nil {
		t.Errorf("LinkedIn has %v", there)
	}
	if r := s.CLI("profile", "erase", id, "--yes"); r.Code != 5 {
		t.Errorf("again: %v", r)
	}
}
