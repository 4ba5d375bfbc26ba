package api

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/jarvi"
)

// jarviExample is the documentation's request; the ids and files in it are only hinted at
// there, and here they are whole.
const jarviExample = `{
  "projectId": "713a8005-e54d-4ee3-b6a4-89b27167dde6",
  "firstName": "Quentin",
  "lastName": "Decré",
  "emailAddresses": "quentin@jarvi.tech, quentin@decre.tech",
  "phoneNumbers": "+33752626164,0240493773",
  "linkedinUrl": "https://www.linkedin.com/in/quentindecre/",
  "historyEntrySubject": "Interview notes",
  "historyEntryMessage": "The message of the historyentry you want to show in the profile’s Jarvi history",
  "resumesFiles": [{"fileName": "cv.pdf", "data": "data:@file/pdf;base64,JVBERi0AABTLAAAAAAA="}],
  "files": [{"fileName": "motivation.docx", "data": "data:@file/vnd.openxmlformats-officedocument.wordprocessingml.document;base64,UEsDBBQAABTLAAAAAAA="}],
  "externalId": "Your id. Will merge with exisiting profile with same externalId",
  "location": "Rennes, France",
  "headline": "Co-Founder Jarvi",
  "currentCompanyName": "Jarvi",
  "currentCompanyId": "Jarvi",
  "currentPosition": "Co-founder",
  "0b538428-7652-4243-baaf-3867803d7007": "My custom field value for this profile",
  "historyEntryType": "2788baea-1119-46d9-8e60-af9d6a1268e1"
}`

const jarviExternal = "Your id. Will merge with exisiting profile with same externalId"

// everybody are the profiles of a world, the oldest first, with their directory.
type everybody struct{ w *world }

func (p everybody) ids() (ids []ledger.ProfileID) {
	p.w.t.Helper()
	for b, err := range p.w.led.Read(context.Background(), 1) {
		if err != nil {
			p.w.t.Fatal(err)
		}
		for _, r := range b.Commits {
			if !slices.Contains(ids, r.Commit.Profile) {
				ids = append(ids, r.Commit.Profile)
			}
		}
	}
	return ids
}

// Account implements Directory.
func (p everybody) Account(ctx context.Context, provider, account string, head ledger.Seq) (ledger.ProfileID, error) {
	for _, id := range p.ids() {
		state, err := p.w.Profile(ctx, id, head)
		if err != nil {
			return id, err
		}
		if settings, ok, err := sinks.SettingsOf(state, provider); err == nil && ok && settings.Account == account {
			return id, nil
		}
	}
	return ledger.ProfileID{}, ledger.ErrNotFound
}

// Emails implements Directory.
func (p everybody) Emails(ctx context.Context, email string, head ledger.Seq) (ids []ledger.ProfileID, err error) {
	for _, id := range p.ids() {
		state, err := p.w.Profile(ctx, id, head)
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(string(state.Scalar("email")), `"`+email+`"`) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func jarviWorld(t *testing.T) (*world, everybody) {
	w := newWorld(t, Config{})
	p := everybody{w}
	w.srv.Directory = p
	w.srv.Profiles = func(_ context.Context, after ledger.ProfileID, _ int, _ ledger.Seq) ([]ledger.ProfileID, error) {
		ids := p.ids()
		return ids[slices.Index(ids, after)+1:], nil
	}
	return w, p
}

func jarviPost(key, body string) call {
	return call{method: "POST", path: jarviPath, key: "", body: body, header: map[string]string{"X-API-KEY": key}}
}

// saved checks the form of a success and gives the profile's id.
func saved(t *testing.T, a answer) ledger.ProfileID {
	t.Helper()
	var got struct{ Message, TaskID, ProfileID string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Message != "Profile saved successfully" || a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	id, ok := jarvi.ParseUUID(got.ProfileID)
	if _, task := jarvi.ParseUUID(got.TaskID); !ok || !task {
		t.Fatalf("%s", a.body)
	}
	return id
}

func (w *world) profileOf(id ledger.ProfileID) map[string]any {
	w.t.Helper()
	return w.must(200, call{method: "GET", path: "/v1/profiles/" + id.String(), key: adminText}).json(w.t)["data"].(map[string]any)
}

// TestJarviAddsNotesAndFiles: they are kept with the profile, and each request adds others.
func TestJarviAddsNotesAndFiles(t *testing.T) {
	w, all := jarviWorld(t)
	key := w.key(ledger.ProfileID{}, keys.ProfileRead|keys.ProfileWrite)
	id := saved(t, w.must(201, jarviPost(key, jarviExample)))
	state, err := w.Profile(t.Context(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	settings, bound, err := sinks.SettingsOf(state, ledger.Jarvi)
	notes, cvs, files := state.Items(ledger.Shared, "jarvi.historyEntries"), state.Items(ledger.Shared, "jarvi.resumesFiles"), state.Items(ledger.Shared, "jarvi.files")
	if err != nil || !bound || settings.Account != jarviExternal || len(notes) != 1 || len(cvs) != 1 || len(files) != 1 {
		t.Errorf("%v %d %d %d", bound, len(notes), len(cvs), len(files))
	}
	var cv struct{ FileName, File string }
	if err := json.Unmarshal(cvs[0].Value, &cv); err != nil || cv.FileName != "cv.pdf" {
		t.Errorf("%s", cvs[0].Value)
	}
	file := w.must(200, call{method: "GET", path: "/v1/files/" + cv.File, key: adminText, header: map[string]string{"X-Vitae-Profile": id.String()}})
	if !strings.HasPrefix(file.body, "%PDF-") || file.header.Get("Content-Type") != "application/pdf" {
		t.Errorf("%q", file.body)
	}
	if last := w.submitted[len(w.submitted)-1]; last.Meta.Via != "jarvi" {
		t.Errorf("via %s", last.Meta.Via)
	}
	// The same again is the same person, with another note and other files: they are
	// always added.
	if again := saved(t, w.must(201, jarviPost(key, jarviExample))); again != id || len(all.ids()) != 1 {
		t.Errorf("%s is another", again)
	}
	if state, err = w.Profile(t.Context(), id, 0); err != nil || len(state.Items(ledger.Shared, "jarvi.historyEntries")) != 2 || len(state.Items(ledger.Shared, "jarvi.files")) != 2 {
		t.Errorf("%v", err)
	}
}

// TestJarviTrapTheSamePerson: id, externalId and the key say who it is, and nobody else
// becomes another person.
func TestJarviTrapTheSamePerson(t *testing.T) {
	w, all := jarviWorld(t)
	key := w.key(ledger.ProfileID{}, keys.ProfileWrite|keys.ProfileRead)
	one := saved(t, w.must(201, jarviPost(key, `{"firstName":"A","externalId":"ext-1"}`)))
	two := saved(t, w.must(201, jarviPost(key, `{"firstName":"B"}`)))
	if one == two || len(all.ids()) != 2 {
		t.Fatal("the second has no id and is nobody that was there")
	}
	for body, who := range map[string]ledger.ProfileID{
		`{"externalId":"ext-1","headline":"h1"}`:                                      one,
		`{"id":"` + jarvi.UUID(one) + `","headline":"h2"}`:                            one,
		`{"id":"` + strings.ToUpper(jarvi.UUID(two)) + `","headline":"h3"}`:           two,
		`{"externalId":"` + two.String() + `","headline":"h4"}`:                       two,
		`{"id":"` + jarvi.UUID(one) + `","externalId":"ext-1","headline":"h5"}`:       one,
		`{"id":"` + jarvi.UUID(two) + `","externalId":"` + two.String() + `"}`:        two,
		`{"id":"` + jarvi.UUID(two) + `","externalId":null,"headline":"h6","id2":""}`: {},
	} {
		a := w.do(jarviPost(key, body))
		if who.IsZero() {
			if a.status != 400 {
				t.Errorf("%s: %d", body, a.status)
			}
			continue
		}
		if got := saved(t, a); got != who {
			t.Errorf("%s went to another", body)
		}
	}
	for body, status := range map[string]int{
		`{"id":"` + jarvi.UUID(two) + `","externalId":"ext-1"}`:                      400, // two people
		`{"id":"` + jarvi.UUID(one) + `","externalId":"ext-9"}`:                      400,
		`{"id":"d730cca9-d8b0-49e7-b2e0-c58c1bb7af9f","firstName":"x"}`:              404,
		`{"externalId":"` + ledger.NewProfileID(w.clock.Now()).String() + `"}`:       404,
		`{"externalId":"` + strings.ToLower(two.String()) + `-not","id":"not-uuid"}`: 400,
	} {
		if a := w.do(jarviPost(key, body)); a.status != status || a.json(t)["message"] == "" {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	// A profile without an account gets the one that comes with its id.
	saved(t, w.must(201, jarviPost(key, `{"id":"`+jarvi.UUID(two)+`","externalId":"ext-2"}`)))
	if got := saved(t, w.must(201, jarviPost(key, `{"externalId":"ext-2"}`))); got != two {
		t.Error("the account was not kept")
	}
	if len(all.ids()) != 2 {
		t.Errorf("%d profiles", len(all.ids()))
	}
	// A key of one profile sees no other, and makes none.
	own := w.key(one, keys.ProfileWrite)
	for body, status := range map[string]int{
		`{"headline":"mine"}`:                      201,
		`{"externalId":"ext-1"}`:                   201,
		`{"externalId":"` + one.String() + `"}`:    201,
		`{"id":"` + jarvi.UUID(one) + `"}`:         201,
		`{"id":"` + jarvi.UUID(two) + `"}`:         404,
		`{"externalId":"ext-2"}`:                   404,
		`{"externalId":"ext-new"}`:                 404,
		`{"externalId":"` + two.String() + `"}`:    404,
		`{"id":"` + jarvi.UUID(one) + `","x":"y"}`: 400,
	} {
		if a := w.do(jarviPost(own, body)); a.status != status {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if w.profileOf(one)["headline"] != "mine" || len(all.ids()) != 2 {
		t.Errorf("%v", w.profileOf(one))
	}
	// With X-Vitae-Profile a key for all profiles is about that one.
	c := jarviPost(key, `{"headline":"named"}`)
	c.header["X-Vitae-Profile"] = two.String()
	if saved(t, w.must(201, c)) != two {
		t.Error("the header was not looked at")
	}
}

// TestJarviTwoAtOnce: two requests with one new externalId make one person.
func TestJarviTwoAtOnce(t *testing.T) {
	w, all := jarviWorld(t)
	key := w.key(ledger.ProfileID{}, keys.ProfileWrite)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c := jarviPost(key, `{"firstName":"A","externalId":"ext-1"}`)
			for {
				if a := w.do(c); a.status != http.StatusConflict {
					saved(t, a)
					return
				}
			}
		})
	}
	wg.Wait()
	if len(all.ids()) != 1 {
		t.Errorf("%d people", len(all.ids()))
	}
}

// TestJarviTrapOnce: under one Idempotency-Key there is one note, one person and one answer.
func TestJarviTrapOnce(t *testing.T) {
	w, all := jarviWorld(t)
	key := w.key(ledger.ProfileID{}, keys.ProfileWrite)
	for i, body := range []string{`{"externalId":"ext-1","firstName":"A","historyEntrySubject":"s"}`,
		`{"firstName":"B","files":[{"fileName":"f","data":"data:@file/pdf;base64,AAAA"}]}`, `{"externalId":"ext-1","firstName":"A"}`} {
		c := jarviPost(key, body)
		c.header["Idempotency-Key"] = "k" + body[:i+3]
		first := w.must(201, c)
		people, head := len(all.ids()), w.com.Head()
		second := w.must(201, c)
		if second.body != first.body || second.header.Get("Idempotency-Replayed") != "true" || len(all.ids()) != people || w.com.Head() != head {
			t.Errorf("%s: %s then %s", body, first.body, second.body)
		}
		c.body = strings.Replace(body, "A", "X", 1)
		if strings.Contains(body, `"A"`) {
			w.must(422, c)
		}
	}
	// The files of the request that came again are not left with nobody: only the profiles
	// that are there have one.
	if len(all.ids()) != 2 {
		t.Errorf("%d profiles", len(all.ids()))
	}
	for _, req := range w.submitted {
		has, err := w.vault.HasFile(t.Context(), req.Profile, ledger.HashOf([]byte{0, 0, 0}))
		if there := slices.Contains(all.ids(), req.Profile); has && !there {
			t.Errorf("a file is left: %v", err)
		}
	}
	head := w.com.Head()
	c := jarviPost(key, `{"firstName":"C","files":[{"fileName":"f","data":"data:@file/pdf;base64,AAAA"}]}`)
	c.path += "?dryRun=true"
	if w.must(200, c); w.com.Head() != head {
		t.Error("a dry run wrote")
	}
}

// TestJarviRefusals: one message that names every wrong member and repeats no value.
func TestJarviRefusals(t *testing.T) {
	w, all := jarviWorld(t)
	id := w.person(jane)
	key := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	message := func(status int, c call) string {
		t.Helper()
		a := w.must(status, c)
		got := a.json(t)
		text, _ := got["message"].(string)
		if text == "" || len(got) != 1 || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s", a.body)
		}
		return text
	}
	text := message(400, jarviPost(key, `{"emailAddresses":"S3CRET","projectId":"S3CRET","nope":1,"firstName":["S3CRET"],"files":[{"fileName":"x","data":"S3CRET"}],"currentPosition":"`+strings.Repeat("S", 201)+`","headline":"fine"}`))
	for _, name := range []string{"emailAddresses", "projectId", "nope", "firstName", "files.0.data", "currentPosition"} {
		if !strings.Contains(text, name+" ") {
			t.Errorf("%s is not named: %s", name, text)
		}
	}
	if strings.Contains(text, "S3CRET") || strings.Contains(w.logged.String(), "S3CRET") || w.data(key)["headline"] != nil {
		t.Error("a value is repeated, or something was written")
	}
	for _, bad := range []string{`[]`, `{"a":1,"a":2}`, "{\"firstName\":\"\xff\"}", `{`} {
		message(400, jarviPost(key, bad))
	}
	large := func(n int) string {
		return `{"files":[{"fileName":"big","data":"data:@file/pdf;base64,` + strings.Repeat("A", n/4*4) + `"}]}`
	}
	saved(t, w.must(201, jarviPost(key, large(4_500_000))))
	if text := message(413, jarviPost(key, large(maxJarvi))); !strings.Contains(text, "5 MiB") {
		t.Errorf("%s", text)
	}
	c := jarviPost(key, `{}`)
	c.typ = "-"
	message(415, c)
	message(401, jarviPost("", `{}`))
	message(401, jarviPost("vt_live_nobody", `{}`))
	message(403, jarviPost(w.key(id, keys.ProfileRead), `{}`))
	message(403, call{method: "GET", path: jarviPath, key: w.key(id, keys.ProfileWrite)})
	message(405, call{method: "PUT", path: jarviPath, key: key, body: `{}`})
	c = jarviPost(key, `{}`)
	c.header["X-Vitae-Profile"] = ledger.NewProfileID(w.clock.Now()).String()
	message(403, c)
	if len(all.ids()) != 1 {
		t.Errorf("%d profiles", len(all.ids()))
	}
}

// TestJarviTrapFind: a key sees its own, and a where that is not understood finds nobody.
func TestJarviTrapFind(t *testing.T) {
	w, _ := jarviWorld(t)
	key := w.key(ledger.ProfileID{}, keys.ProfileWrite|keys.ProfileRead)
	one := saved(t, w.must(201, jarviPost(key, `{"firstName":"Ann","externalId":"ext-1","emailAddresses":"ann@example.com"}`)))
	two := saved(t, w.must(201, jarviPost(key, `{"firstName":"Ben"}`)))
	gone := saved(t, w.must(201, jarviPost(key, `{"firstName":"Gone","externalId":"ext-3"}`)))
	w.must(200, call{method: "DELETE", path: "/v1/profiles/" + gone.String(), key: adminText})
	find := func(key, where string, more ...string) (ids []string) {
		t.Helper()
		q := url.Values{}
		if where != "" {
			q.Set("where", where)
		}
		for i := 0; i < len(more); i += 2 {
			q.Set(more[i], more[i+1])
		}
		got := w.must(200, call{method: "GET", path: jarviPath + "?" + q.Encode(), key: key}).json(t)
		for _, row := range got["data"].([]any) {
			ids = append(ids, row.(map[string]any)["firstName"].(string))
		}
		if more == nil && got["total"] != float64(len(ids)) {
			t.Errorf("total %v", got["total"])
		}
		return ids
	}
	own := w.key(one, keys.ProfileRead)
	for where, want := range map[string][2]string{
		"":                                         {"Ann Ben", "Ann"},
		`{}`:                                       {"Ann Ben", "Ann"},
		`{"externalId":{"_eq":"ext-1"}}`:           {"Ann", "Ann"},
		`{"externalId":{"_eq":""}}`:                {"", ""},
		`{"externalId":{"_eq":"ext-3"}}`:           {"", ""},
		`{"id":{"_eq":"nobody"}}`:                  {"", ""},
		`{"firstName":{"_ilike":"b%"}}`:            {"Ben", ""},
		`{"_search":"ann@"}`:                       {"Ann", "Ann"},
		`{"externalId":{"_in":["ext-1"]}}`:         {"Ann", "Ann"},
		`{"id":{"_eq":"` + jarvi.UUID(two) + `"}}`: {"Ben", ""},
		`{"id":{"_in":["` + jarvi.UUID(two) + `","` + jarvi.UUID(two) + `"]}}`:               {"Ben", ""},
		`{"externalId":{"_eq":"` + two.String() + `"}}`:                                      {"Ben", ""},
		`{"preferredEmailAddress":{"_eq":"ann@example.com"}}`:                                {"Ann", "Ann"},
		`{"preferredEmailAddress":{"_eq":"ANN@example.com"}}`:                                {"", ""},
		`{"preferredEmailAddress":{"_in":["ann@example.com",null]}}`:                         {"Ann Ben", "Ann"},
		`{"externalId":{"_eq":"ext-1"},"firstName":{"_eq":"Ben"}}`:                           {"", ""},
		`{"_or":[{"firstName":{"_eq":"Ben"}},{"preferredEmailAddress":{"_ilike":"%@EX%"}}]}`: {"Ann Ben", "Ann"},
	} {
		if got := strings.Join(find(key, where), " "); got != want[0] {
			t.Errorf("%s: %q, want %q", where, got, want[0])
		}
		if got := strings.Join(find(own, where), " "); got != want[1] {
			t.Errorf("%s, own: %q, want %q", where, got, want[1])
		}
	}
	if got := find(key, "", "orderBy", `{"firstName":"desc"}`, "limit", "1"); !slices.Equal(got, []string{"Ben"}) {
		t.Errorf("%v", got)
	}
	if got := find(key, "", "offset", "1"); !slices.Equal(got, []string{"Ben"}) {
		t.Errorf("%v", got)
	}
	w.srv.Profiles = nil // an address is looked up, and not looked for among all
	if got := find(key, `{"preferredEmailAddress":{"_in":["nobody@example.com","ann@example.com"]}}`); !slices.Equal(got, []string{"Ann"}) {
		t.Errorf("%v", got)
	}
	for _, bad := range []string{"where=", "where=x", `where={"nope":{"_eq":"x"}}`, `where={"externalId":{"_eqq":"x"}}`, "wher={}", "where={}&where={}", "limit=x", "orderBy=x", "offset=10001", "offset=-1"} {
		name, value, _ := strings.Cut(bad, "=")
		path := jarviPath + "?" + name + "=" + url.QueryEscape(value)
		if strings.Count(bad, "where") == 2 {
			path = jarviPath + "?where=%7B%7D&where=%7B%7D"
		}
		if a := w.do(call{method: "GET", path: path, key: key}); a.status != 400 || a.json(t)["message"] == "" {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
}

// TestJarviRowsAreBounded: a page is the one that sorting everything would give, and only
// some rows are held at a time.
func TestJarviRowsAreBounded(t *testing.T) {
	order, err := jarvi.ParseOrder(`{"headline":"desc"}`)
	if err != nil {
		t.Fatal(err)
	}
	d := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		var all []ledger.Node
		keep := d.IntN(60)
		page := jarviRows{order: order, keep: keep}
		for i := range 1000 {
			row := ledger.Node{Kind: ledger.NodeObject, Members: []ledger.NodeMember{{Name: "headline", Node: ledger.TextNode(strconv.Itoa(d.IntN(50)))}, {Name: "id", Node: ledger.TextNode(strconv.Itoa(i))}}}
			all = append(all, row)
			if page.add(row); len(page.rows) > 2*keep+jarviPage {
				t.Fatalf("%d rows are held for %d", len(page.rows), keep)
			}
		}
		order(all)
		if got := page.first(); page.total != 1000 || !reflect.DeepEqual(got, all[:keep]) {
			t.Errorf("%d rows of %d: not the first ones", len(got), page.total)
		}
	}
}
