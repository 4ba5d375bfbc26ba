package test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"vitae/ledger"
	"vitae/test/harness"
)

// The marks that planted values carry. Every one is found by its mark alone, in any of the
// forms of encodings; what follows the mark tells which it is.
const (
	markText   = "Zq7xVtR3kW"
	markNumber = "7305518402"
	markUUID   = "5e417e1e-c0de-4bad-8bad-"
	markDay    = "1911-02-"
)

// planter makes values that can be recognised wherever they turn up.
type planter struct {
	n     int
	file  string            // an uploaded file
	names map[string]string // what was planted, by value
}

func (p *planter) text(what string) string {
	p.n++
	v := fmt.Sprintf("%s%04d", markText, p.n)
	p.names[v] = what
	return v
}

// value makes a value of a kind that the catalogue takes, with a mark wherever there is room for one.
func (p *planter) value(what string, kind ledger.Kind, enum []string, members []ledger.Member) any {
	switch kind {
	case ledger.KindText:
		if enum != nil {
			return enum[0]
		}
		return p.text(what) + " \u00e9\"<\\"
	case ledger.KindAlnum, ledger.KindLinkedIn:
		return p.text(what)
	case ledger.KindEmail:
		return p.text(what) + "@example.com"
	case ledger.KindURL:
		return "https://" + p.text(what) + ".example/" + p.text(what)
	case ledger.KindDay, ledger.KindDate:
		return fmt.Sprintf("%s%02d", markDay, 1+len(what)%28)
	case ledger.KindFile:
		return p.file
	case ledger.KindUUID:
		p.n++
		return fmt.Sprintf("%s%012d", markUUID, p.n)
	case ledger.KindBool:
		return true
	case ledger.KindNumber, ledger.KindInteger:
		p.n++
		return json.Number(fmt.Sprintf("%s%05d", markNumber, p.n))
	case ledger.KindTexts:
		return []any{p.value(what, ledger.KindText, enum, nil)}
	case ledger.KindIDs:
		return []any{p.text(what)}
	case ledger.KindObject:
		return p.object(what, members)
	case ledger.KindObjects, ledger.KindList:
		return []any{p.object(what, members)}
	case ledger.KindMap:
		id := p.text(what)
		o := p.object(what, members)
		o["id"] = id
		return map[string]any{id: o}
	case ledger.KindAny:
		return map[string]any{p.text(what): p.text(what)}
	}
	panic("a kind that this test does not know: " + string(kind))
}

func (p *planter) object(what string, members []ledger.Member) map[string]any {
	o := map[string]any{}
	chosen := map[string]string{} // what the member that decides a union says
	for _, m := range members {
		if m.Enum != nil {
			chosen[m.Name] = m.Enum[0]
		}
		if m.With[0] != "" && chosen[m.With[0]] != m.With[1] {
			continue
		}
		o[m.Name] = p.value(what+"."+m.Name, m.Kind, m.Enum, m.Members)
		if m.Localized {
			o[m.Name+"@fr_FR"] = p.value(what+"."+m.Name+"@fr_FR", m.Kind, m.Enum, m.Members)
		}
	}
	return o
}

// body is a patch of every field of the catalogue that takes one, as nested objects.
func (p *planter) body() map[string]any {
	body := map[string]any{}
	set := func(name string, v any) {
		path := strings.Split(name, ".")
		in := body
		for _, step := range path[:len(path)-1] {
			next, ok := in[step].(map[string]any)
			if !ok {
				next = map[string]any{}
				in[step] = next
			}
			in = next
		}
		in[path[len(path)-1]] = v
	}
	for _, f := range ledger.Catalogue() {
		name := f.Name
		if f.Hidden || name == "phone" { // the first of phones
			continue
		}
		if strings.HasSuffix(name, ".") {
			p.n++
			name += fmt.Sprintf("0c057041-f1e1-4d00-8000-%012d", p.n) // a name is no value: it has no mark
		}
		set(name, p.value(name, f.Kind, f.Enum, f.Item))
		if f.Localized {
			set(name+"@fr_FR", p.value(name+"@fr_FR", f.Kind, f.Enum, f.Item))
		}
	}
	return body
}

// encodings are the forms in which a text may hide.
func encodings(mark string) map[string][]byte {
	out := map[string][]byte{"plain": []byte(mark), "lower case": []byte(strings.ToLower(mark)), "hexadecimal": []byte(hex.EncodeToString([]byte(mark))),
		"capital hexadecimal": []byte(strings.ToUpper(hex.EncodeToString([]byte(mark))))}
	var wide []byte
	for _, u := range utf16.Encode([]rune(mark)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	out["UTF-16"] = wide
	for _, text := range []string{mark, strings.ToLower(mark)} {
		for shift := range 3 {
			// Of the characters that encode the mark behind shift other bytes, those that
			// depend on the mark alone.
			for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
				e := enc.EncodeToString([]byte(strings.Repeat("\x00", shift) + text))
				from := (shift*8 + 5) / 6
				to := (shift + len(text)) * 8 / 6
				out[fmt.Sprintf("%s, shifted by %d, %q", name, shift, text)] = []byte(e[from:to])
			}
		}
	}
	return out
}

// finder looks for marks and secrets.
type finder struct {
	what  []string
	find  [][]byte
	names map[string]string // what was planted, by value
}

func (f *finder) add(name, mark string) {
	for enc, b := range encodings(mark) {
		if !slices.ContainsFunc(f.find, func(o []byte) bool { return bytes.Equal(o, b) }) {
			f.what = append(f.what, name+" ("+enc+")")
			f.find = append(f.find, b)
		}
	}
}

// in reports what is found in a text, with what stands around it.
func (f *finder) in(t *testing.T, place string, b []byte) {
	t.Helper()
	for i, needle := range f.find {
		if at := bytes.Index(b, needle); at >= 0 {
			// The value itself is that of a test: it may be shown.
			which := f.names[string(b[at:min(len(b), at+len(markText)+4)])]
			t.Errorf("%s %s: in %s: %q", f.what[i], which, place, b[max(0, at-120):min(len(b), at+60)])
		}
	}
}

// inFolder reads every file of a folder.
func (f *finder) inFolder(t *testing.T, dir string, but ...string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f.in(t, "the name of "+rel, []byte(rel))
		if slices.Contains(but, rel) {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		f.in(t, rel, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 5 {
		t.Fatalf("only %d files in %s: the test looks in the wrong place", files, dir)
	}
}

// TestFinder: the search finds what it is to find.
func TestFinder(t *testing.T) {
	for _, hidden := range []string{
		"x" + markText + "0001", strings.ToLower(markText),
		base64.StdEncoding.EncodeToString([]byte(markText + "0001")), base64.StdEncoding.EncodeToString([]byte("a" + markText)),
		base64.RawURLEncoding.EncodeToString([]byte("ab" + markText + "c")), base64.StdEncoding.EncodeToString([]byte(`{"v":"` + markText + `"}`)),
		hex.EncodeToString([]byte(markText)), `{"a":"\u00e9` + markText + `\""}`,
	} {
		var f finder
		f.add("mark", markText)
		if !slices.ContainsFunc(f.find, func(b []byte) bool { return bytes.Contains([]byte(hidden), b) }) {
			t.Errorf("not found in %q", hidden)
		}
	}
}

// TestSecrets plants a recognisable value wherever a person can put one, and then looks
// for all of them in every file, both logs and the metrics.
func TestSecrets(t *testing.T) {
	sandbox := harness.StartSandbox(t)
	s := harness.Start(t, harness.Options{Config: five(sandbox)})
	admin := s.Admin()
	p := &planter{names: map[string]string{}}
	f := finder{names: p.names}
	for name, mark := range map[string]string{"a text": markText, "a number": markNumber, "a uuid": markUUID, "a day": markDay} {
		f.add(name, mark)
	}

	id := admin.Create(map[string]any{"firstName": p.text("creation"), "email": p.text("creation") + "@example.com"})
	me, as := harness.Profile(id), []string{"X-Vitae-Profile", id}
	p.file = upload(t, admin, p.text("file content"), p.text("file name"), id)
	admin.Must(200, patch, me, p.body(), "X-Vitae-Reason", p.text("reason"), "Idempotency-Key", p.text("idempotency key"), "User-Agent", "agent")
	admin.Must(200, patch, me, map[string]any{"phone": p.text("phone"), "linkedIn": p.text("typed")})
	admin.Must(201, post, "/v1/skills", map[string]any{"name": p.text("item")}, append(as, "Idempotency-Key", "skill")...)
	admin.Must(201, post, "/v1/skills", map[string]any{"name": p.text("item")}, append(as, "X-Vitae-Reason", p.text("reason"))...)
	resume := admin.Must(201, post, "/v1/resume", map[string]any{"name": p.text("resume name")}, as...).Edit(t).ID
	admin.Must(200, patch, "/v1/resume/"+resume, map[string]any{"interests": []any{map[string]any{"name": p.text("resume item")}}}, as...)

	// Keys of the API, right ones and wrong ones.
	key, keyID := admin.NewKey(id, p.text("key name"), "profile:read", "profile:write", "audit:read", "values:read")
	f.add("an API key", key)
	under := []string{"Idempotency-Key", "a key"} // the answer is kept, and holds the key
	kept, keptID := admin.NewKeyWith(under, id, p.text("key name"), "profile:read")
	if again, _ := admin.NewKeyWith(under, id, fmt.Sprintf("%s%04d", markText, p.n), "profile:read"); again != kept {
		t.Errorf("making a key twice under one Idempotency-Key made two (%s)", keptID)
	}
	f.add("an API key whose making can be repeated", kept)
	f.add("the admin key", s.AdminKey())
	own := s.Client(key)
	own.Must(200, patch, "/v1/profile", map[string]any{"city": p.text("own key")})

	// The past: what was looked for and who looked is recorded, and going back is an edit.
	for _, query := range []string{"/history?reason=" + p.text("searched reason"), "/history?field=" + p.text("searched field") + "&item=" + p.text("searched item"),
		"/blame?field=" + p.text("searched field"), "/diff?from=1", "/access"} {
		own.Must(200, get, harness.Profile(id, query), nil)
	}
	own.Must(200, post, harness.Profile(id, "/restore"), map[string]any{"to": 1, "field": "city"}, "X-Vitae-Reason", p.text("restore reason"))
	own.Must(200, patch, "/v1/profile", map[string]any{"city": p.text("own key")})
	s.Client(p.text("wrong key")).Must(401, get, "/v1/profile", nil)
	s.Client("").Must(401, get, "/v1/profile", nil, "X-API-KEY", p.text("wrong key"))

	// Credentials: one that works, one that the provider refuses, those of sinks that do not run.
	credential, refused := harness.Credential(), p.text("refused credential")
	f.add("a credential", credential)
	put := func(id, provider string, body map[string]any) {
		t.Helper()
		if r := admin.Try(http.MethodPut, harness.Profile(id, "/connections/"+provider), body); r.Status != 200 && r.Status != 201 {
			t.Fatalf("connecting %s: %d %s", provider, r.Status, r.Body)
		}
	}
	put(id, "mokaru", map[string]any{"credential": credential})
	put(id, "linkedin", map[string]any{"account": p.text("account"), "credential": p.text("credential")})
	put(id, "postpress", map[string]any{"account": p.text("account"), "credential": p.text("credential")})
	other := admin.Create(map[string]any{"firstName": p.text("second")})
	put(other, "mokaru", map[string]any{"credential": refused})

	// A member of LinkedIn, whose token, items and picture go there; an upload URL is as good as a key.
	third := admin.Create(map[string]any{"firstName": p.text("member"), "lastName": p.text("member"), "headline": p.text("member"),
		"skills": []any{map[string]any{"name": p.text("member's skill")}}})
	admin.Must(200, patch, harness.Profile(third), map[string]any{"picture": upload(t, admin, p.text("member's picture"), p.text("file name"), third)})
	token := p.text("token")
	put(third, "linkedin", map[string]any{"account": "yrZCpj2ZYQ", "credential": token})
	settled(t, s, "--profile", third)
	if harness.LinkedIn(t, sandbox.URL("linkedin"), token, "yrZCpj2ZYQ")["profilePicture"] == nil {
		t.Error("the picture was not uploaded: the test shows nothing")
	}
	f.add("an upload URL", "mediaUpload/")

	passwords(t, s, sandbox, p)

	// Bodies that are wrong in every way.
	for _, wrong := range []string{
		`{"firstName":["` + p.text("wrong type") + `"]}`, `{"` + p.text("unknown field") + `":"` + p.text("unknown field") + `"}`, `{"email":"` + p.text("no address") + `"}`,
		`{"city":"` + p.text("twice") + `","city":"` + p.text("twice") + `"}`, `{"city":"` + p.text("cut off"), p.text("no JSON"), `{"picture":"` + p.text("no file") + `"}`,
		`{"summary":"` + p.text("too long") + strings.Repeat("x", 3000) + `"}`, `{"city":"` + p.text("broken") + "\xff\"}", `{"skills":[{"id":"` + p.text("item id") + ` x","name":"` + p.text("item") + `"}]}`,
		`{"nexudus":{"` + p.text("unknown member") + `":1}}`,
	} {
		if r := admin.Try(patch, me, []byte(wrong)); r.Status != 400 {
			t.Errorf("a wrong body: %d", r.Status)
		}
	}
	admin.Must(415, patch, me, p.text("no JSON"), "Content-Type", "text/"+p.text("content type"))
	admin.Must(422, post, "/v1/skills", map[string]any{"name": p.text("other body")}, append(as, "Idempotency-Key", "skill")...)
	for _, path := range []string{"?at=", "/history?field=", "/history?after=", "/history?" + p.text("parameter") + "="} {
		admin.Try(get, me+path+p.text("query"), nil)
	}

	// Everything is read once, delivered, and read back by a server that starts anew.
	settled(t, s, "--profile", id, "mokaru")
	whole(t, admin, id)
	if h, _ := json.Marshal(admin.MustHistory(id)); !bytes.Contains(h, []byte(markText)) {
		t.Error("the history shows none of the values: the test shows nothing")
	}
	s.CLI("view", "rebuild")
	s.CLI("fsck")
	admin.Must(200, http.MethodDelete, "/v1/keys/"+keyID, nil)
	look := func(when string) {
		t.Helper()
		f.in(t, "the metrics "+when, admin.Must(200, get, "/metrics", nil).Body)
		f.inFolder(t, s.Data, "admin.key", "master.key")
	}
	look("at the end")
	s.Kill9()
	f.inFolder(t, s.Data, "admin.key", "master.key")
	s.Restart()
	admin.Must(200, get, me, nil)
	settled(t, s, "--profile", id, "mokaru")
	look("after a restart")
	keyFiles(t, s)
	s.Stop()
	f.inFolder(t, s.Data, "admin.key", "master.key")
	f.in(t, "the server's log", []byte(s.Logs.String()))
	f.in(t, "the server's output", []byte(s.Out.String()))
	f.in(t, "the sandbox's log", []byte(sandbox.Logs.String()))
	f.in(t, "the sandbox's output", []byte(sandbox.Out.String()))
}

// keyFiles checks that the two files that hold keys are for their owner only, and that
// what they hold is nowhere else.
func keyFiles(t *testing.T, s *harness.Server) {
	t.Helper()
	for _, name := range []string{"admin.key", "master.key"} {
		path := filepath.Join(s.Data, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var f finder
		f.add(name, strings.TrimSpace(string(b)))
		if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(b))); err == nil {
			f.add(name+", decoded", string(raw))
		}
		f.inFolder(t, s.Data, name)
		f.in(t, "the log", []byte(s.Logs.String()))
	}
}

// upload stores a file for the profile and gives its reference.
func upload(t *testing.T, admin *harness.Client, content, name, id string) string {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name="file"; filename=%q`, name+".png")}, "Content-Type": {"image/png"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write([]byte("\x89PNG\r\n\x1a\n" + strings.Repeat(content, 1000))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := admin.Try(post, "/v1/files", body.Bytes(), "Content-Type", w.FormDataContentType(), "X-Vitae-Profile", id)
	ref, _ := r.Data(t)["file"].(string)
	if r.Status/100 != 2 || !strings.HasPrefix(ref, "sha256:") {
		t.Fatalf("upload: %d %s", r.Status, r.Body)
	}
	if got := admin.Must(200, get, "/v1/files/"+ref, nil, "X-Vitae-Profile", id); !bytes.Contains(got.Body, []byte(content)) {
		t.Errorf("the file reads back as %d bytes", len(got.Body))
	}
	return ref
}

// passwords changes a password at the portal, by the portal's own request: one that is
// right, one that does not match itself, and one whose old password is wrong.
func passwords(t *testing.T, s *harness.Server, sandbox *harness.Sandbox, p *planter) {
	t.Helper()
	admin, first, second := s.Admin(), p.text("password"), p.text("password")
	control := harness.NewClient(t, strings.TrimSuffix(sandbox.URL("mokaru"), "/mokaru"), "")
	control.Must(200, post, "/_sandbox/nexudus/password", map[string]any{"password": first})
	id := admin.Create(map[string]any{"firstName": "Jane", "lastName": "Smith"})
	token := p.text("token")
	admin.Must(200, http.MethodPut, harness.Profile(id, "/connections/nexudus"), map[string]any{"credential": token})
	settled(t, s, "--profile", id)
	key, _ := admin.NewKey(id, "portal", "profile:read", "profile:write")
	portal := s.Client(key)
	change := func(want int, before, after, again string) {
		t.Helper()
		portal.Must(want, patch, "/api/public/coworker/profile", map[string]any{"OldPassword": before, "NewPassword": after, "RepeatNewPassword": again})
	}
	ended := func(want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
		defer cancel()
		for {
			var got struct {
				Data struct {
					Password struct{ State, Reason string }
				}
			}
			admin.Must(200, get, harness.Profile(id, "/connections/nexudus"), nil).Into(t, &got)
			if is := got.Data.Password; is.State != "pending" {
				if is.State != want {
					t.Errorf("the connection says that it was %s (%s), and not %s", is.State, is.Reason, want)
				}
				return
			}
			if ctx.Err() != nil {
				t.Fatal("the change is pending")
			}
		}
	}
	change(400, first, p.text("password"), p.text("password"))
	change(200, first, second, second)
	ended("changed")
	change(200, first, p.text("password")+"x", fmt.Sprintf("%s%04dx", markText, p.n)) // the old one is not right any more
	ended("refused")
	other := admin.Create(map[string]any{"firstName": "No portal"})
	key, _ = admin.NewKey(other, "portal", "profile:write")
	s.Client(key).Must(400, patch, "/api/public/coworker/profile", map[string]any{"OldPassword": first, "NewPassword": second, "RepeatNewPassword": second})
}
