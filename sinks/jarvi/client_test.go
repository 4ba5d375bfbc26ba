package jarvi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// wire keeps what was sent and answers by method.
type wire struct {
	t         *testing.T
	get, post func() (int, string)
	header    http.Header
	seen      []string
}

var attempt = sinks.NewID(time.UnixMilli(1_800_000_000_000))

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	body := []byte{}
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body) // of our own making
	}
	w.seen = append(w.seen, strings.TrimSpace(r.Method+" "+string(body)))
	if r.Header.Get("X-API-KEY") != "key" || r.Header.Get("Authorization") != "" || r.Header.Get("X-Vitae-Attempt") != attempt.String() ||
		(r.Header.Get("Content-Type") == "application/json") != (r.Method == http.MethodPost) || r.URL.Path != "/x/v1/public-api/rest/v2/profiles" {
		w.t.Errorf("%s: %v", r.URL, r.Header)
	}
	answer := w.post
	if r.Method == http.MethodGet {
		answer = w.get
		if q := r.URL.Query(); q.Get("where") != `{"externalId":{"_eq":"ext-1"}}` || q.Get("limit") != "10" || len(q) != 2 {
			w.t.Errorf("%s", r.URL.RawQuery)
		}
	}
	if answer == nil {
		return nil, errors.New("connection refused")
	}
	status, text := answer()
	h := w.header
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(text))}, nil
}

func always(status int, body string) func() (int, string) {
	return func() (int, string) { return status, body }
}

const (
	saved = `{"message":"Profile saved successfully","taskId":"0b538428-7652-4243-baaf-3867803d7007","profileId":"d730cca9-d8b0-49e7-b2e0-c58c1bb7af9f"}`
	found = `{"data":[{"id":"d730cca9-d8b0-49e7-b2e0-c58c1bb7af9f","externalId":"ext-1","firstName":"Q","deletedAt":null}],"total":1}`
	none  = `{"data":[],"total":0}`
)

func against(t *testing.T) (*Provider, *wire) {
	t.Helper()
	w := &wire{t: t, get: always(200, found), post: always(201, saved)}
	p, err := New("https://functions.prod.jarvi.tech/x/", w)
	if err != nil {
		t.Fatal(err)
	}
	return p, w
}

func call(entity string, verb sinks.Verb, body string) sinks.Call {
	return sinks.Call{Entity: entity, Verb: verb, Account: "ext-1", Credential: []byte("key\n"), Body: []byte(body), Attempt: attempt}
}

const person = `{"mark":"mark-1","externalId":"ext-1","firstName":"Q"}`

func TestProfileCall(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   sinks.Verdict
		kind   string
		about  string
	}{
		{201, saved, sinks.Accepted, "", ""},
		{201, `{"message":"Profile saved successfully"}`, sinks.Unknown, sinks.UnknownType, ""},
		{201, `{"taskId":"a","profileId":""}`, sinks.Unknown, sinks.UnknownType, ""},
		{201, `{"taskId":7,"profileId":"b"}`, sinks.Unknown, sinks.UnknownType, ""},
		{201, `<html>`, sinks.Unknown, sinks.UnknownType, ""},
		{200, saved, sinks.Unknown, sinks.UnknownType, ""},
		{204, ``, sinks.Unknown, sinks.UnknownType, ""},
		{302, ``, sinks.SinkError, "redirect", ""},
		{400, `{"message":"emailAddresses: secret is no address; location"}`, sinks.Refused, typeValidation, "emailAddresses, location"},
		{400, `secret`, sinks.Refused, typeValidation, "the body"},
		{422, `{"message":["secret"]}`, sinks.Refused, typeValidation, "the body"},
		{401, ``, sinks.AccountError, "unauthorized", ""},
		{403, ``, sinks.AccountError, "forbidden", ""},
		{404, ``, sinks.Refused, sinks.UnknownType, ""},
		{413, ``, sinks.Refused, "too_large", ""},
		{429, ``, sinks.Throttled, sinks.TypeThrottled, ""},
		{500, saved, sinks.Unknown, "server_error", ""},
		{503, ``, sinks.Unknown, "server_error", ""},
	} {
		p, w := against(t)
		w.post = always(c.status, c.body)
		out := p.Call(t.Context(), call(Entity, sinks.VerbSet, person))
		if out.Verdict != c.want || out.Fault.Type != c.kind || !strings.Contains(out.Fault.Message, c.about) || strings.Contains(out.Fault.Message, "secret") {
			t.Errorf("%d %s: %s %+v", c.status, c.body, out.Verdict, out.Fault)
		}
		if c.want == sinks.Accepted && (out.Task != "0b538428-7652-4243-baaf-3867803d7007" || out.Ref != "d730cca9-d8b0-49e7-b2e0-c58c1bb7af9f") {
			t.Errorf("%+v", out)
		}
		if len(w.seen) != 1 || w.seen[0] != `POST {"externalId":"ext-1","firstName":"Q"}` {
			t.Errorf("%v", w.seen)
		}
	}
	p, w := against(t)
	w.post, w.header = always(429, ``), http.Header{"Retry-After": {"17"}}
	if out := p.Call(t.Context(), call(Entity, sinks.VerbSet, person)); out.RetryAfter != 17*time.Second {
		t.Errorf("%+v", out)
	}
	w.header = http.Header{"Retry-After": {"Thu, 01 Jan 1970 00:00:00 GMT"}}
	if out := p.Call(t.Context(), call(Entity, sinks.VerbSet, person)); out.RetryAfter != time.Second {
		t.Errorf("%+v", out)
	}
	w.seen = nil
	for name, c := range map[string]sinks.Call{"no body": call(Entity, sinks.VerbSet, ""), "no such lane": call("x", sinks.VerbSet, person), "a create": call(Entity, sinks.VerbCreate, person),
		"nobody": call(Entity, sinks.VerbSet, `{"firstName":"x"}`), "a set": call("history/h", sinks.VerbSet, person), "a section": call("history", sinks.VerbAppend, person)} {
		if out := p.Call(t.Context(), c); out.Verdict != sinks.Refused || out.Fault.Sent != sinks.SentNo || len(w.seen) > 0 {
			t.Errorf("%s: %+v", name, out)
		}
	}
	c := call(Entity, sinks.VerbSet, person)
	c.Credential = []byte("a\nb")
	if out := p.Call(t.Context(), c); out.Verdict != sinks.AccountError || len(w.seen) > 0 {
		t.Errorf("%+v", out)
	}
	if _, err := New("http://functions.prod.jarvi.tech", w); err == nil {
		t.Error("credentials would be sent in the clear")
	}
	if r := p.Rate(); r.PerMinute != 20 || r.Burst != 3 || p.Name() != ledger.Jarvi {
		t.Errorf("%+v", r)
	}
}

const note = `{"externalId":"ext-1","historyEntrySubject":"s"}`

// TestTrap28ANoteIsOnePost: what is added is one POST after one GET, and none when the
// person is not there or it cannot be read; one all the same when Jarvi ignores the filter,
// and will never tell; what follows the POST is never called unsent.
func TestTrap28ANoteIsOnePost(t *testing.T) {
	for _, c := range []struct {
		get, post int
		rows      string
		answer    string
		want      sinks.Verdict
		posts     int
	}{
		{200, 201, found, saved, sinks.Applied, 1},
		{200, 201, found, `{}`, sinks.Unknown, 1},
		{200, 500, found, ``, sinks.Unknown, 1},
		{200, 400, found, ``, sinks.Refused, 1},
		{200, 429, found, ``, sinks.Throttled, 1},
		{200, 0, none, ``, sinks.Busy, 0},
		{200, 0, `{"data":[{"externalId":"ext-1","deletedAt":"2020-01-01"}]}`, ``, sinks.Busy, 0},
		{200, 0, `<html>`, ``, sinks.Busy, 0},
		{200, 0, `{"data":[{"externalId":"ext-1"},{"externalId":"ext-1"}]}`, ``, sinks.Busy, 0},
		{500, 0, ``, ``, sinks.Busy, 0},
		{403, 0, ``, ``, sinks.AccountError, 0},
		{429, 0, ``, ``, sinks.Throttled, 0},
		{200, 201, `{"data":[{"externalId":"other"}]}`, saved, sinks.Applied, 1}, // the filter says nothing
	} {
		p, w := against(t)
		w.get, w.post = always(c.get, c.rows), always(c.post, c.answer)
		out := p.Call(t.Context(), call("history/h", sinks.VerbAppend, note))
		if out.Verdict != c.want || len(w.seen) != 1+c.posts || c.posts == 0 && out.Fault.Sent != sinks.SentNo || out.Ref != "" {
			t.Errorf("%+v: %+v %v", c, out, w.seen)
		}
		if c.posts == 1 && w.seen[1] != "POST "+note {
			t.Errorf("%v", w.seen)
		}
	}
	p, w := against(t)
	w.get = nil
	if out := p.Call(t.Context(), call("history/h", sinks.VerbAppend, note)); out.Verdict != sinks.NotSent {
		t.Errorf("%+v", out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.get, w.seen = func() (int, string) { cancel(); return 200, found }, nil
	if out := p.Call(ctx, call("history/h", sinks.VerbAppend, note)); out.Verdict != sinks.NotSent && out.Verdict != sinks.Busy || len(w.seen) != 1 {
		t.Errorf("out of time: %+v %v", out, w.seen)
	}
}

func TestFiles(t *testing.T) {
	content, media, size := []byte("%PDF-1"), "application/pdf", int64(-1)
	var broken error
	opened := func(_ context.Context, reference string) (sinks.File, error) {
		if reference != sha {
			return sinks.File{}, fmt.Errorf("%q: %w", reference, ledger.ErrNotFound)
		}
		n := size
		if n < 0 {
			n = int64(len(content))
		}
		return sinks.File{ReadCloser: io.NopCloser(bytes.NewReader(content)), Size: n, MediaType: media}, broken
	}
	ask := func(body string) (sinks.Outcome, *wire) {
		p, w := against(t)
		c := call("resumes/r", sinks.VerbAppend, body)
		c.File = opened
		return p.Call(t.Context(), c), w
	}
	body := `{"externalId":"ext-1","resumesFiles":[{"fileName":"cv.PDF","file":"` + sha + `"}]}`
	for kind, want := range map[string]string{"application/pdf": "pdf", "application/vnd.oasis.opendocument.text; charset=x": "vnd.oasis.opendocument.text", "": "pdf",
		"application/octet-stream": "pdf", "odd": "pdf"} {
		media = kind
		out, w := ask(body)
		if out.Verdict != sinks.Applied || len(w.seen) != 2 ||
			w.seen[1] != `POST {"externalId":"ext-1","resumesFiles":[{"fileName":"cv.PDF","data":"data:@file/`+want+`;base64,JVBERi0x"}]}` {
			t.Errorf("%s: %+v %v", kind, out, w.seen)
		}
	}
	if got := subtype("", "noending"); got != "octet-stream" {
		t.Error(got)
	}
	// Base64 makes a file a third longer: what fits raw does not fit there.
	content = make([]byte, mostBytes*3/4-200)
	if out, _ := ask(body); out.Verdict != sinks.Applied {
		t.Errorf("the largest: %+v", out)
	}
	content = make([]byte, mostBytes*3/4)
	if out, w := ask(body); out.Verdict != sinks.Refused || out.Fault.Type != "too_large" || len(w.seen) > 0 {
		t.Errorf("too large: %+v", out)
	}
	size = 10 // what a file says of itself may be wrong
	if out, w := ask(body); out.Verdict != sinks.Refused || len(w.seen) > 0 {
		t.Errorf("too large, and wrong about it: %+v", out)
	}
	content = []byte("%PDF-1")
	for _, size = range []int64{0, 5, 7} { // a part of it, or more than there is, is another file
		if out, w := ask(body); out.Verdict != sinks.NotSent || out.Fault.Type != "file_broke" || len(w.seen) > 0 {
			t.Errorf("%d bytes are said: %+v", size, out)
		}
	}
	content, size = []byte("x"), 1<<40
	if out, w := ask(body); out.Verdict != sinks.Refused || len(w.seen) > 0 {
		t.Errorf("endless: %+v", out)
	}
	for _, wrong := range []string{note, `{"externalId":"ext-1","resumesFiles":[]}`, strings.Replace(body, sha, "sha256:2", 1)} {
		if out, w := ask(wrong); out.Verdict != sinks.Refused || out.Fault.Sent != sinks.SentNo || len(w.seen) > 0 {
			t.Errorf("%s: %+v", wrong, out)
		}
	}
	broken = io.ErrUnexpectedEOF
	if out, w := ask(body); out.Verdict != sinks.NotSent || len(w.seen) > 0 {
		t.Errorf("%+v", out)
	}
}

// TestTrap30OnlyTheRowThatWasAskedFor: whatever else Jarvi gives, only a living row with
// the externalId is the person.
func TestTrap30OnlyTheRowThatWasAskedFor(t *testing.T) {
	const us = `{"externalId":"ext-1","firstName":"Q","lastName":"D","headline":"H"`
	for rows, want := range map[string]string{
		``: `{}`,
		`{"externalId":"ext-2","firstName":"Stranger"},` + us + `}`:                                                        `Q D H`,
		us + `,"deletedAt":"2020-01-01T00:00:00Z"}`:                                                                        `{}`,
		us + `,"deletedAt":"2020-01-01T00:00:00Z"},{"externalId":"ext-1","firstName":"New","lastName":"D","headline":"H"}`: `New D H`,
		us + `,"deletedAt":null,"firstNameParsed":"P","firstNameManual":null,"lastNameManual":"M"}`:                        `Q M H`,
		us + `,"firstNameManual":"","headlineManual":"W"}`:                                                                 `Q D W`,
		`{"externalId":"ext-2","firstName":"Stranger"}`:                                                                    `unknown`,
		`{"firstName":"Stranger"},{"externalId":null}`:                                                                     `unknown`,
		us + `},` + us + `}`: `unknown`,
		`7`:                  `unknown`,
	} {
		p, w := against(t)
		w.get = always(200, `{"data":[`+rows+`],"total":1}`)
		c := call(Entity, sinks.VerbSet, "")
		c.Ref, c.Fields = "d", []string{"firstName", "headline", "lastName", "mark-1"}
		got, out := p.Read(t.Context(), c)
		echo := string(got.Echo)
		if words := strings.Fields(want); len(words) == 3 {
			want = fmt.Sprintf(`{"externalId":"ext-1","firstName":%q,"lastName":%q,"headline":%q,"mark":"mark-1"}`, words[0], words[1], words[2])
		}
		if want == "unknown" {
			if out.Verdict != sinks.Unknown || got.Echo != nil {
				t.Errorf("%s: %s %+v", rows, echo, out)
			}
		} else if out.Verdict != sinks.Applied || echo != want {
			t.Errorf("%s: %s %+v", rows, echo, out)
		}
	}
	p, w := against(t)
	for status, want := range map[int]sinks.Verdict{401: sinks.AccountError, 429: sinks.Throttled, 500: sinks.Unknown, 400: sinks.Refused} {
		w.get = always(status, ``)
		if _, out := p.Read(t.Context(), call(Entity, sinks.VerbSet, "")); out.Verdict != want {
			t.Errorf("%d: %+v", status, out)
		}
	}
	n := len(w.seen)
	c := call(Entity, sinks.VerbSet, "")
	c.Account = ""
	if _, out := p.Read(t.Context(), c); out.Verdict != sinks.Refused || len(w.seen) != n {
		t.Errorf("without an account: %+v", out)
	}
	if _, out := p.Read(t.Context(), call("history", sinks.VerbAppend, "")); out.Verdict != sinks.Refused || len(w.seen) != n {
		t.Errorf("a section: %+v", out)
	}
}

// TestAReadIsSureOfWhatItDoesNotShow: a read equals what was built only when it is certain
// which body Jarvi took.
func TestAReadIsSureOfWhatItDoesNotShow(t *testing.T) {
	state := full(t)
	old, err := build(Entity, state)
	if err != nil {
		t.Fatal(err)
	}
	set(t, state, "email", `"new@jarvi.tech"`)
	built, err := build(Entity, state)
	if err != nil {
		t.Fatal(err)
	}
	both := append(append([]string{}, old.Fields...), built.Fields...)
	row := `{"data":[{"externalId":"ext-1","firstName":"Quentin","lastName":"Decré","headline":"Co-Founder \"Jarvi\""}]}`
	for name, c := range map[string]struct {
		fields []string
		ref    string
		told   bool
		want   bool
	}{
		"acknowledged before":            {built.Fields, "d", false, true},
		"never acknowledged":             {built.Fields, "", false, false},
		"the old one or the new one":     {both, "d", false, false},
		"acknowledged to this process":   {both, "d", true, true},
		"the first, and acknowledged":    {built.Fields, "", true, true},
		"only the one before was taken":  {old.Fields, "d", false, false},
		"nothing is known of what it is": {nil, "d", false, false},
	} {
		p, w := against(t)
		w.get = always(200, row)
		q := call(Entity, sinks.VerbSet, string(built.Body))
		if c.told {
			if out := p.Call(t.Context(), q); out.Verdict != sinks.Accepted {
				t.Fatalf("%+v", out)
			}
		}
		q.Body, q.Fields, q.Ref = nil, c.fields, c.ref
		got, out := p.Read(t.Context(), q)
		if out.Verdict != sinks.Applied || (string(got.Echo) == string(built.Echo)) != c.want {
			t.Errorf("%s:\nread  %s\nbuilt %s\n%+v", name, got.Echo, built.Echo, out)
		}
	}
	var d told
	for i := range 3 * mostTold {
		d.accepted(sinks.ID{byte(i), byte(i >> 8), byte(i >> 16), 1}, ledger.Node{}, "m")
	}
	if len(d.young) > mostTold || len(d.old) > mostTold {
		t.Error("the memory has no end")
	}
}

// FuzzAnswers: no answer's body breaks the reading of it, and no stranger is taken for us.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(saved), 201)
	f.Add([]byte(found), 200)
	f.Add([]byte(`{"data":[{"externalId":"ext-1","firstName":7,"firstNameManual":{}},{"externalId":"ext-2"}]}`), 400)
	f.Add([]byte(`{"message":"resumesFiles historyEntryType x"}`), 422)
	f.Add([]byte(`<html>`), 500)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		a := sinks.Answer{Status: 300 + int(uint(status)%300), Body: body, Sent: sinks.SentYes}
		if out := judge(a); out.Fault.Message == "" || out.Verdict == sinks.Applied || out.Verdict == sinks.Accepted {
			t.Fatalf("%d is %+v", a.Status, out)
		}
		if task, profile, ok := taken(body); ok && (task == "" || profile == "") {
			t.Fatal("taken without an id")
		}
		rows, _, ok := parseRows(body, "ext-1")
		if !ok && rows != nil {
			t.Fatal("rows of an answer that is none")
		}
		for _, row := range rows {
			var e struct {
				ExternalID string `json:"externalId"`
				Mark       string `json:"mark"`
			}
			if err := json.Unmarshal(echo(row, []string{"firstName", "lastName", "headline"}, "m"), &e); err != nil || e.ExternalID != "ext-1" || e.Mark != "m" {
				t.Fatalf("%+v, %v", e, err)
			}
		}
	})
}
