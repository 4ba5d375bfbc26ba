package api

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/sinks"
)

const nexudusPath = "/api/public/coworker/profile"

const confirmed = `{"WasSuccessful":true,"Value":null,"Status":200,"Message":null,"Errors":null}`

func (w *world) nexudus(key, body string) call {
	return call{method: "PATCH", path: nexudusPath, key: key, body: body}
}

// data is the profile as our own API reads it.
func (w *world) data(key string) map[string]any {
	w.t.Helper()
	return w.must(200, call{method: "GET", path: "/v1/profile", key: key}).json(w.t)["data"].(map[string]any)
}

// failedAs checks the form of a refusal and gives the names of what is wrong.
func failedAs(t *testing.T, a answer) (names []string) {
	t.Helper()
	var c struct {
		WasSuccessful *bool
		Value         any
		Status        int
		Message       *string
		Errors        []map[string]any
	}
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || c.WasSuccessful == nil || *c.WasSuccessful || c.Status != a.status || c.Message == nil || len(c.Errors) == 0 {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	for _, e := range c.Errors {
		value, has := e["AttemptedValue"]
		if !has || value != nil || e["Message"] == "" {
			t.Errorf("error %v", e)
		}
		name, _ := e["PropertyName"].(string)
		names = append(names, name)
	}
	return names
}

// TestNexudusTwice: what is there already, a dry run and a request that comes again write
// nothing.
func TestNexudusTwice(t *testing.T) {
	w := newWorld(t, Config{})
	key := w.key(w.person(jane), keys.ProfileRead|keys.ProfileWrite|keys.AuditRead)
	if a := w.must(200, w.nexudus(key, `{"FullName":"Jane Doe"}`)); a.body != confirmed || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s", a.body)
	}
	if last := w.submitted[len(w.submitted)-1]; last.Meta.Via != "nexudus" {
		t.Errorf("via %s", last.Meta.Via)
	}
	head := w.com.Head()
	for _, same := range []string{`{}`, `{"FullName":"Jane Doe"}`} {
		if a := w.must(200, w.nexudus(key, same)); a.body != confirmed || w.com.Head() != head {
			t.Errorf("%s: %s at %d", same, a.body, w.com.Head())
		}
	}
	w.must(200, call{method: "PATCH", path: nexudusPath + "?dryRun=true", key: key, body: `{"FullName":"Other"}`})
	if w.com.Head() != head {
		t.Error("a dry run wrote")
	}
	again := call{method: "PATCH", path: nexudusPath, key: key, body: `{"MobilePhone":"+33 2","ProfileTags":"Go, Rust"}`, header: idemHeader("n")}
	w.must(200, again)
	head = w.com.Head()
	if a := w.must(200, again); a.body != confirmed || a.header.Get("Idempotency-Replayed") != "true" || w.com.Head() != head {
		t.Errorf("%s %v", a.body, a.header)
	}
	if got := w.data(key); got["phone"] != "+33 2" || len(got["skills"].([]any)) != 2 {
		t.Errorf("%v", got)
	}
}

// TestNexudusPage: the page reads in any language, has what was written, and sent back it
// changes nothing.
func TestNexudusPage(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	key := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	w.must(200, w.nexudus(key, `{"CountryId":250,"ProfileTags":"Go, Rust","NickName":"J","State":"Bretagne","OnNewWallPost":false,
		"ProfileIsPublic":false,"OnHelpDeskMsg":false,"OnNewBlogComment":false,"OnNewEventComment":false,"ReceiveCommunityDigest":false,"SignUpToNewsletter":false}`))
	for _, lang := range []string{"en", "fr", "xx"} {
		a := w.must(200, call{method: "GET", path: "/" + lang + "/profile?_resource=Coworker", key: key})
		got := a.json(t)
		if got["FullName"] != "Jane Smith" || got["CountryId"] != float64(250) || got["ProfileTags"] != "Go, Rust" || got["NickName"] != "J" || got["State"] != "Bretagne" ||
			got["OnNewWallPost"] != false || got["Position"] != nil || got["CompanyName"] != "" || got["MobilePhone"] != "+33 1" || got["Id"] == nil {
			t.Errorf("%s: %s", lang, a.body)
		}
		if len(got) != 40 {
			t.Errorf("%d members", len(got))
		}
		delete(got, "Id")
		delete(got, "FullName") // it would become the display name
		for name, v := range got {
			if v == nil && (name == "CountryId" || name == "BillingCountryId") {
				delete(got, name)
			}
		}
		head := w.com.Head()
		back, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if w.must(200, w.nexudus(key, string(back))); w.com.Head() != head {
			t.Errorf("what was read changes something: %v", w.data(key))
		}
		w.must(304, call{method: "GET", path: "/" + lang + "/profile?_resource=Coworker", key: key, header: map[string]string{"If-None-Match": a.header.Get("ETag")}})
	}
	for _, path := range []string{"/en/profile", "/en/profile?_resource=Other", "/en/profile?_resource=Coworker&_resource=Coworker"} {
		failedAs(t, w.must(400, call{method: "GET", path: path, key: key}))
	}
	// Whatever else has two parts is still what it was.
	for path, status := range map[string]int{"/EN/profile": 404, "/eng/profile": 404, "/e1/profile": 404, "/en/profiles": 404, "/v1/profile": 200, "/problems/profile": 404, "/en/profile/": 404} {
		if a := w.do(call{method: "GET", path: path, key: key}); a.status != status {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if names := failedAs(t, w.must(405, call{method: "POST", path: "/en/profile", key: key, body: `{}`})); len(names) != 1 {
		t.Errorf("%v", names)
	}
}

func TestNexudusCountries(t *testing.T) {
	w := newWorld(t, Config{})
	a := w.must(200, call{method: "GET", path: "/api/public/countries"})
	list := a.json(t)["Countries"].([]any)
	if len(list) != 249 || !strings.Contains(a.body, `{"Id":826,"Name":"United Kingdom","TwoDigitsCode":"GB","Culture":"en-GB"}`) {
		t.Errorf("%d countries", len(list))
	}
}

// TestNexudusRefusals: every documented error, in the portal's envelope, with every wrong
// field by the page's name, and no value.
func TestNexudusRefusals(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	key := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	head := w.com.Head()
	names := failedAs(t, w.must(400, w.nexudus(key, `{"CompanyName":null,"CountryId":7777,"Nope":1,"Linkedin":"SECRET VALUE","Gender":"`+strings.Repeat("S", 51)+`","Position":"fine"}`)))
	if want := []string{"CompanyName", "CountryId", "Nope", "Linkedin", "Gender"}; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
	for _, bad := range []string{`[]`, `{"FullName":"a","FullName":"b"}`, "{\"FullName\":\"\xff\"}", `{"FullName":`} {
		failedAs(t, w.must(400, w.nexudus(key, bad)))
	}
	failedAs(t, w.must(413, w.nexudus(key, `{"FullName":"`+strings.Repeat("x", maxBody)+`"}`)))
	failedAs(t, w.must(415, call{method: "PATCH", path: nexudusPath, key: key, body: `{}`, typ: "-"}))
	// What is wrong with a key is 401, whatever it is.
	for _, bad := range []string{"", "vt_live_nobody", w.key(id, keys.ProfileRead), w.key(id, keys.AuditRead)} {
		failedAs(t, w.must(401, w.nexudus(bad, `{"FullName":"x"}`)))
	}
	failedAs(t, w.must(401, call{method: "GET", path: "/en/profile?_resource=Coworker", key: w.key(id, keys.ProfileWrite)}))
	failedAs(t, w.must(401, call{method: "PATCH", path: nexudusPath, key: key, body: `{}`, header: map[string]string{"X-Vitae-Profile": w.person(jane).String()}}))
	// A key for all profiles names the one.
	failedAs(t, w.must(400, w.nexudus(adminText, `{"FullName":"x"}`)))
	w.must(200, call{method: "PATCH", path: nexudusPath, key: adminText, body: `{"FullName":"Named"}`, header: map[string]string{"X-Vitae-Profile": id.String()}})
	failedAs(t, w.must(404, call{method: "PATCH", path: nexudusPath, key: adminText, body: `{}`, header: map[string]string{"X-Vitae-Profile": ledger.NewProfileID(w.clock.Now()).String()}}))
	if got := w.data(key); got["displayName"] != "Named" || got["jobTitle"] != nil || w.com.Head() != head+2 {
		t.Errorf("%v at %d, began at %d", got, w.com.Head(), head)
	}
	if strings.Contains(w.logged.String(), "SECRET VALUE") {
		t.Error("a value is in the log")
	}
}

// portalSinks are the sinks with a portal among them.
type portalSinks struct {
	*fakeSinks
	sink, connection string
}

func (p *portalSinks) Sink(context.Context, string) (sinks.Sink, error) {
	return sinks.Sink{Name: ledger.Nexudus, State: sinks.SinkState(p.sink)}, nil
}

func (p *portalSinks) Connections(context.Context, ledger.ProfileID) ([]sinks.Connection, error) {
	return []sinks.Connection{{Provider: ledger.Nexudus, State: sinks.ConnectionState(p.connection)}}, nil
}

// passes stands for what passes passwords on.
type passes struct {
	take func() error
	send func(p ledger.ProfileID, before, after string)
}

func (p passes) Take(_ context.Context, profile ledger.ProfileID) (func(before, after string), func(), error) {
	return func(before, after string) { p.send(profile, before, after) }, func() {}, p.take()
}

func (passes) State(ledger.ProfileID) (PasswordChange, bool) {
	return PasswordChange{State: PasswordRefused, Since: time.Unix(1, 0).UTC(), Reason: "validation"}, true
}

// TestNexudusTrapPasswords: they are passed on once, to a portal that is there, and are
// nowhere else: not in the ledger, a log, a reply, or what is kept for an idempotency key.
func TestNexudusTrapPasswords(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	key := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	const trio = `"OldPassword":"S3CRET-old","NewPassword":"S3CRET-new","RepeatNewPassword":"S3CRET-new"`
	all := []string{"OldPassword", "NewPassword", "RepeatNewPassword"}
	refused := func(why string) {
		t.Helper()
		head := w.com.Head()
		a := w.must(400, w.nexudus(key, `{"NickName":"`+why+`",`+trio+`}`))
		if names := failedAs(t, a); !slices.Equal(names, all) || strings.Contains(a.body, "S3CRET") || w.com.Head() != head {
			t.Errorf("%s: %s", why, a.body)
		}
	}
	refused("nobody passes passwords on")
	var passed []string
	fail := error(nil)
	w.srv.Passwords = passes{take: func() error { return fail }, send: func(p ledger.ProfileID, before, after string) { passed = append(passed, p.String()+before+after) }}
	refused("no connection")
	portal := &portalSinks{w.sinks, "running", "in_sync"}
	w.srv.Sinks = portal
	refused("none in the ledger")
	w.must(200, call{method: "PUT", path: "/v1/profiles/" + id.String() + "/connections/nexudus", key: key, body: `{"credential":"token"}`})
	portal.sink = "paused"
	refused("a sink that is paused")
	portal.sink, portal.connection = "running", "paused"
	refused("an account that is paused")
	portal.connection = "in_sync"
	for body, want := range map[string]string{
		`{"OldPassword":"S3CRET-a","NewPassword":"S3CRET-b","RepeatNewPassword":"S3CRET-c"}`: "RepeatNewPassword",
		`{"OldPassword":"S3CRET-a","NewPassword":"S3CRET-b"}`:                                "RepeatNewPassword",
	} {
		if names := failedAs(t, w.must(400, w.nexudus(key, body))); !slices.Equal(names, []string{want}) {
			t.Errorf("%v", names)
		}
	}
	if len(passed) > 0 {
		t.Fatalf("passed on %d times", len(passed))
	}
	w.must(200, call{method: "PATCH", path: nexudusPath + "?dryRun=true", key: key, body: `{` + trio + `}`})
	if len(passed) > 0 {
		t.Fatal("a dry run passed a password on")
	}
	// What failed may be asked again under the same key; what was done is not done twice.
	c := call{method: "PATCH", path: nexudusPath, key: key, body: `{"NickName":"Jay",` + trio + `}`, header: idemHeader("pw")}
	fail = errors.New("the ledger cannot be read")
	failedAs(t, w.must(500, c))
	head := w.com.Head()
	fail = ErrPasswordPending
	if failedAs(t, w.must(409, c)); w.com.Head() != head {
		t.Error("a request that was refused has edited the profile")
	}
	fail = nil
	for i := range 2 {
		if a := w.must(200, c); a.body != confirmed || (a.header.Get("Idempotency-Replayed") == "true") != (i == 1) {
			t.Errorf("%s %v", a.body, a.header)
		}
	}
	other := c
	other.body = strings.Replace(c.body, "S3CRET-old", "S3CRET-odd", 1)
	w.must(422, other)
	if want := []string{id.String() + "S3CRET-oldS3CRET-new"}; !slices.Equal(passed, want) {
		t.Errorf("passed on %d times", len(passed))
	}
	for _, path := range []string{"", "/nexudus"} {
		a := w.must(200, call{method: "GET", path: "/v1/profiles/" + id.String() + "/connections" + path, key: key})
		if !strings.Contains(a.body, `"password":{"state":"refused","since":"1970-01-01T00:00:01Z","reason":"validation"}`) {
			t.Errorf("how it ended is not told: %s", a.body)
		}
	}
	if got := w.data(key); got["nickName"] != "Jay" {
		t.Errorf("%v", got)
	}
	if strings.Contains(w.logged.String(), "S3CRET") {
		t.Error("a password is in the log")
	}
	state, err := json.Marshal(w.submitted)
	if err != nil || strings.Contains(string(state), "S3CRET") {
		t.Errorf("a password came to the ledger: %v", err)
	}
	for e, err := range w.idems.Watch(t.Context()) {
		if err != nil || e.Key == "" {
			break
		}
		if strings.Contains(string(e.Value), "S3CRET") {
			t.Error("a password is kept for an idempotency key")
		}
	}
}
