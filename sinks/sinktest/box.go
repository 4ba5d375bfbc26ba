package sinktest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// BoxName is the name of the Box as a provider.
const BoxName = ledger.Mokaru

// Box is a provider that keeps one document for each credential: PUT replaces it, GET
// gives it back. It is both sides: an http.Handler, and the sinks.Provider that calls it.
// Its document is the shared scalars that are set.
type Box struct {
	Net   sinks.Doer
	Limit sinks.Rate
	// Blind boxes cannot be read back.
	Blind bool
	// Refuse says which documents are refused, with 400.
	Refuse func(body []byte) bool
	// Normalise is what the box makes of a document before it keeps it; nil keeps it.
	Normalise func(body []byte) []byte
	// OnPut is called for every PUT before it takes effect.
	OnPut func(Put)

	mu      sync.Mutex
	docs    map[string][]byte
	revoked map[string]bool
	puts    []Put
	gets    int
	calls   []time.Time
}

// Put is a PUT that was answered with 200.
type Put struct {
	Credential string
	Attempt    string
	Body       []byte
	At         time.Time
}

// NewBox makes an empty one; set Net.
func NewBox() *Box {
	return &Box{docs: map[string][]byte{}, revoked: map[string]bool{}}
}

// ServeHTTP implements http.Handler.
func (b *Box) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	put := Put{Credential: r.Header.Get("Authorization"), Attempt: r.Header.Get("X-Request-Id"), Body: body, At: time.Now()}
	if r.Method == http.MethodPut && b.OnPut != nil {
		b.OnPut(put)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, put.At)
	switch {
	case b.revoked[put.Credential]:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodGet:
		b.gets++
		_, _ = w.Write(b.docs[put.Credential]) // a recorder takes everything
	case b.Refuse != nil && b.Refuse(body):
		w.WriteHeader(http.StatusBadRequest)
	default:
		b.docs[put.Credential] = body
		if b.Normalise != nil {
			b.docs[put.Credential] = b.Normalise(body)
		}
		b.puts = append(b.puts, put)
		_, _ = io.WriteString(w, "ok") // a recorder takes everything
	}
}

// Document is what the box holds for a credential.
func (b *Box) Document(credential string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.docs[credential])
}

// Meddle replaces what the box holds for a credential: somebody else edits it.
func (b *Box) Meddle(credential, document string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.docs[credential] = []byte(document)
}

// Puts are the PUTs that took effect, in order.
func (b *Box) Puts() []Put {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.puts)
}

// Calls are the times of all requests that arrived.
func (b *Box) Calls() []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.calls)
}

// Revoke makes a credential unwanted, or wanted again.
func (b *Box) Revoke(credential string, yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.revoked[credential] = yes
}

// Name implements sinks.Provider.
func (b *Box) Name() string { return BoxName }

// Entities implements sinks.Provider.
func (b *Box) Entities() []sinks.Entity {
	return []sinks.Entity{{Name: "profile", Class: sinks.ClassA}}
}

// Concerns implements sinks.Provider: everything but the field "headline".
func (b *Box) Concerns(e *ledger.Event) ([]string, bool) {
	if e.Field == "headline" {
		return nil, false
	}
	return []string{"profile"}, false
}

// Items implements sinks.Provider: there are no sections.
func (b *Box) Items(string, *ledger.Profile) ([]string, error) { return nil, nil }

// Rate implements sinks.Provider.
func (b *Box) Rate() sinks.Rate { return b.Limit }

// Want is the document that a state should come to.
func Want(p *ledger.Profile) []byte {
	doc := map[string]json.RawMessage{}
	for name := range p.Shared {
		if name != "headline" {
			doc[name] = json.RawMessage(p.Scalar(name))
		}
	}
	out, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return out
}

// Build implements sinks.Provider. A state with the field "unsendable" is none.
func (b *Box) Build(_ string, p *ledger.Profile, _ sinks.Have) (sinks.Payload, error) {
	if p.Scalar("unsendable") != nil {
		return sinks.Payload{}, &sinks.Unsendable{Why: "the box takes no unsendable"}
	}
	body := Want(p)
	return sinks.Payload{Body: body, Echo: body, Fields: slices.Collect(maps.Keys(p.Shared)), Mapping: 1}, nil
}

// Call implements sinks.Provider.
func (b *Box) Call(ctx context.Context, c sinks.Call) sinks.Outcome {
	_, out := b.exchange(ctx, http.MethodPut, c)
	return out
}

// Read implements sinks.Reader.
func (b *Box) Read(ctx context.Context, c sinks.Call) (sinks.Reading, sinks.Outcome) {
	if b.Blind {
		return sinks.Reading{}, sinks.Outcome{Verdict: sinks.Unknown, Fault: sinks.Fault{Type: "blind"}}
	}
	body, out := b.exchange(ctx, http.MethodGet, c)
	return sinks.Reading{Echo: body}, out
}

func (b *Box) exchange(ctx context.Context, method string, c sinks.Call) ([]byte, sinks.Outcome) {
	req, err := http.NewRequestWithContext(ctx, method, "http://box.invalid/", bytes.NewReader(c.Body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", string(c.Credential))
	req.Header.Set("X-Request-Id", c.Attempt.String())
	a := sinks.Exchange(ctx, b.Net, req)
	is := func(v sinks.Verdict, kind string) sinks.Outcome {
		return sinks.Outcome{Verdict: v, Fault: sinks.Fault{HTTP: a.Status, Type: kind, Sent: a.Sent}}
	}
	switch {
	case a.Status == 0 && a.Sent == sinks.SentNo:
		return nil, is(sinks.NotSent, sinks.TypeUnreachable)
	case a.Err != nil:
		return nil, is(sinks.Unknown, sinks.TypeNoAnswer)
	case a.Status == 200 && (method == http.MethodGet || string(a.Body) == "ok"):
		return a.Body, is(sinks.Applied, "")
	case a.Status == 200:
		return nil, is(sinks.Unknown, sinks.UnknownType)
	case a.Status == 400:
		return nil, is(sinks.Refused, "validation")
	case a.Status == 401:
		return nil, is(sinks.AccountError, "unauthorized")
	case a.Status == 429:
		out := is(sinks.Throttled, sinks.TypeThrottled)
		if s, err := strconv.Atoi(a.Header.Get("Retry-After")); err == nil {
			out.RetryAfter = time.Duration(s) * time.Second
		}
		return nil, out
	}
	return nil, is(sinks.Unknown, "server_error")
}
