package postpress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

const account = "acc_linkedin_01HXYZ"

// state is an opened profile that is connected to PostPress.
func state() *ledger.Profile {
	p := ledger.NewProfile(ledger.NewProfileID(time.Now()))
	p.Seq = 1
	p.Resumes[ledger.Base] = &ledger.Resume{ID: ledger.Base, Fields: map[string]ledger.Cell{}, Collections: map[string]*ledger.Collection{}}
	p.Connections[ledger.PostPress] = ledger.Cell{Seq: 1, Value: ledger.Value(fmt.Sprintf(`{"account":%q,"settings":{}}`, account))}
	return p
}

// set gives a scalar a value as a request would: what the catalogue refuses is no test.
func set(t testing.TB, p *ledger.Profile, name, value string) {
	t.Helper()
	f, _, ok := ledger.Lookup(name)
	n, err := ledger.ParseJSON([]byte(value))
	if !ok || err != nil {
		t.Fatalf("%s: %v, %v", name, ok, err)
	}
	v, _, errs := f.Check(n, "/"+name)
	if len(errs) > 0 {
		t.Fatalf("%s: %v", name, errs)
	}
	p.Shared[name] = ledger.Cell{Value: v}
}

// add puts an item behind the others of a collection, or changes it.
func add(t testing.TB, p *ledger.Profile, name, id, value string) {
	t.Helper()
	f, _, ok := ledger.Lookup(name)
	n, err := ledger.ParseJSON([]byte(value))
	if !ok || err != nil {
		t.Fatalf("%s: %v, %v", name, ok, err)
	}
	item, errs := f.CheckItem(n, "/"+name)
	if len(errs) > 0 {
		t.Fatalf("%s: %v", name, errs)
	}
	lists := p.Resumes[ledger.Base].Collections
	if f.View == ledger.Shared {
		lists = p.Lists
	}
	c := lists[name]
	if c == nil {
		c = &ledger.Collection{Items: map[string]ledger.Cell{}}
		lists[name] = c
	}
	if _, twice := c.Items[id]; !twice {
		c.Order = append(c.Order, id)
	}
	c.Items[id] = ledger.Cell{Value: item.Value}
}

func made(t testing.TB, entity string, p *ledger.Profile, have sinks.Have) sinks.Payload {
	t.Helper()
	out, err := build(entity, p, have)
	if err != nil {
		t.Fatalf("%s: %v", entity, err)
	}
	return out
}

// unsendable is why the state cannot be sent; "" when it can.
func unsendable(t testing.TB, entity string, p *ledger.Profile, have sinks.Have) string {
	t.Helper()
	_, err := build(entity, p, have)
	if err == nil {
		return ""
	}
	why := (*sinks.Unsendable)(nil)
	if !errors.As(err, &why) {
		t.Fatalf("%s: %v", entity, err)
	}
	return why.Why
}

// wire is a network that keeps what was sent and answers as told.
type wire struct {
	answer func(r *http.Request) *http.Response
	sent   []*http.Request
	bodies []string
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	b := []byte{}
	if r.Body != nil {
		b, _ = io.ReadAll(r.Body) // of a test's own body
	}
	w.sent, w.bodies = append(w.sent, r), append(w.bodies, string(b))
	if w.answer == nil {
		return nil, errors.New("connection refused")
	}
	return w.answer(r), nil
}

func reply(status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// always answers every request alike.
func always(status int, body string, headers ...string) *wire {
	return &wire{answer: func(*http.Request) *http.Response { return reply(status, body, headers...) }}
}

const profileEdited = `{"object":"ProfileEdited"}`

func client(t testing.TB, d sinks.Doer) *Provider {
	t.Helper()
	p, err := New("http://127.0.0.1:8090/postpress/", d)
	if err != nil {
		t.Fatal(err)
	}
	p.boundary = func() string { return "BOUNDARY" }
	return p
}

var picture = []byte("\x89PNG\r\n\x1a\nsome picture")

// call is a call of an entity with what every call has.
func call(entity string, verb sinks.Verb, body []byte) sinks.Call {
	return sinks.Call{Entity: entity, Verb: verb, Account: account, Credential: []byte("pp_live_canary\n"), Attempt: sinks.ID{1}, Body: body,
		File: func(_ context.Context, reference string) (sinks.File, error) {
			if !strings.HasPrefix(reference, "sha256:") {
				return sinks.File{}, ledger.ErrNotFound
			}
			return sinks.File{ReadCloser: io.NopCloser(bytes.NewReader(picture)), Size: int64(len(picture)), MediaType: "image/png"}, nil
		}}
}

// writing builds an entity, makes the one request for it, and gives its parts in order as
// "name=value".
func writing(t testing.TB, entity string, p *ledger.Profile, have sinks.Have) (r *http.Request, parts []string) {
	t.Helper()
	payload := made(t, entity, p, have)
	verb := sinks.VerbSet
	if _, item := sinks.SplitEntity(entity); item != "" {
		if verb = sinks.VerbCreate; have.Ref != "" {
			verb = sinks.VerbUpdate
		}
	}
	w := always(200, profileEdited)
	c := call(entity, verb, payload.Body)
	c.Ref = have.Ref
	if len(payload.Steps) > 0 {
		c.Step = payload.Steps[0]
	}
	if out := client(t, w).Call(context.Background(), c); out.Verdict != sinks.Applied {
		t.Fatalf("%s: %+v", entity, out)
	}
	if len(w.sent) != 1 {
		t.Fatalf("%d requests, want one", len(w.sent))
	}
	return w.sent[0], partsOf(t, w.sent[0], w.bodies[0])
}

func partsOf(t testing.TB, r *http.Request, body string) (parts []string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		t.Fatalf("%s: %v", kind, err)
	}
	m := multipart.NewReader(strings.NewReader(body), params["boundary"])
	for {
		part, err := m.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		value := string(b)
		if part.FileName() != "" {
			value = fmt.Sprintf("(%s, %s, %d bytes)", part.FileName(), part.Header.Get("Content-Type"), len(b))
		}
		parts = append(parts, part.FormName()+"="+value)
	}
}

func has(parts []string, prefix string) bool {
	return slices.ContainsFunc(parts, func(s string) bool { return strings.HasPrefix(s, prefix) })
}

const (
	founder = `{"jobTitle":"Founder","company":"postpress","startDate":"2019-05-17"}`
	studied = `{"school":"ETH","degree":"MSc","field":"Physics","startDate":"2010-09","endDate":"2014-07"}`
)
