package webhook

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"vitae/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const kind = ledger.TypeProfileChanged

// TestSigned: the standard's own library takes what is sent, with the old secret and the new
// one, and the public key checks the other signature.
func TestSigned(t *testing.T) {
	w := newWorld(t)
	e := w.create(Endpoint{})
	old := SecretText(e.Secrets[0])
	w.feed.add(person(1), kind)
	w.until("the first event", func() bool { return len(w.requests()) == 1 })
	rotated, err := w.m.Rotate(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.feed.add(person(1), kind)
	w.until("the second event", func() bool { return len(w.requests()) == 2 })
	check := func(g got, secret string) error {
		hook, err := standard.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		return hook.Verify(g.body, g.header)
	}
	all := w.requests()
	for i, g := range all {
		if err := check(g, old); err != nil {
			t.Errorf("request %d, the first secret: %v", i, err)
		}
		if g.header.Get("Webhook-Id") != g.id || g.header.Get("Content-Type") != "application/cloudevents+json" {
			t.Errorf("headers %v", g.header)
		}
		public, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(e.PublicKeyText(), "whpk_"))
		if err != nil {
			t.Fatal(err)
		}
		content := g.id + "." + g.header.Get("Webhook-Timestamp") + "." + string(g.body)
		verified := false
		for s := range strings.FieldsSeq(g.header.Get("Webhook-Signature")) {
			if text, ok := strings.CutPrefix(s, "v1a,"); ok {
				signature, err := base64.StdEncoding.DecodeString(text)
				verified = err == nil && ed25519.Verify(public, []byte(content), signature)
			}
		}
		if !verified {
			t.Error("the v1a signature is not of the public key")
		}
	}
	if err := check(all[1], SecretText(rotated.Secrets[0])); err != nil {
		t.Errorf("the new secret: %v", err)
	}
	if check(all[0], SecretText(rotated.Secrets[0])) == nil {
		t.Error("the new secret has signed before it was made")
	}
	// After the overlap the old one signs no more.
	rotated.Secrets[1].Until = time.Now().Add(-time.Second)
	if n := strings.Count(rotated.signatures("a", time.Now(), nil), "v1,"); n != 1 {
		t.Errorf("%d secrets sign", n)
	}
}

// TestFilter: types, a profile, and values for who may see them.
func TestFilter(t *testing.T) {
	w := newWorld(t)
	w.create(Endpoint{Types: []string{ledger.TypeProfileErased}, Profile: person(1), Values: true})
	w.feed.add(person(1), kind)
	w.feed.add(person(2), ledger.TypeProfileErased)
	w.feed.add(person(1), ledger.TypeProfileErased)
	w.until("one event", func() bool { return len(w.requests()) == 1 })
	w.mu.Lock()
	w.values = true
	w.mu.Unlock()
	w.feed.add(person(1), ledger.TypeProfileErased)
	w.until("two events", func() bool { return len(w.requests()) == 2 })
	all := w.requests()
	if all[0].id != "e3" || strings.Contains(string(all[0].body), "values") {
		t.Errorf("%s", all[0].body)
	}
	if all[1].id != "e4" || !strings.Contains(string(all[1].body), `"values":{"a":1}`) {
		t.Errorf("%s", all[1].body)
	}
}

// TestOneProfileWaits: an event that is refused holds up its own profile only, in order, and
// the profile catches up.
func TestOneProfileWaits(t *testing.T) {
	w := newWorld(t, time.Millisecond, time.Millisecond, time.Millisecond, time.Millisecond, time.Millisecond)
	fails := 3
	w.answers(func(g got) int {
		if g.id == "e1" && fails > 0 {
			fails--
			return 500
		}
		return 204
	})
	e := w.create(Endpoint{})
	for n := range 30 {
		w.feed.add(person(n%3+1), kind)
	}
	w.until("everything", func() bool { return len(w.requests()) == 33 && w.status(e.ID).Behind == 0 })
	order(t, w.requests(), 30)
	if s := w.status(e.ID); len(s.Failed) != 0 {
		t.Errorf("failed %+v", s.Failed)
	}
	w.until("the cursor", func() bool { return w.status(e.ID).Cursor == 31 })
}

// order checks that every event came, and of each profile in order (an event that is tried
// again comes more often, before the next one).
func order(t *testing.T, all []got, n int) {
	t.Helper()
	last := map[string]int{}
	seen := map[int]bool{}
	for _, g := range all {
		var seq int
		if _, err := fmt.Sscanf(g.id, "e%d", &seq); err != nil {
			t.Fatal(err)
		}
		if seq < last[g.subject] {
			t.Errorf("%s: event %d comes after %d", g.subject, seq, last[g.subject])
		}
		last[g.subject] = seq
		seen[seq] = true
	}
	for seq := 1; seq <= n; seq++ {
		if !seen[seq] {
			t.Errorf("event %d never came", seq)
		}
	}
}

// TestGivenUpAndRedriven: after the last attempt an event is kept as failed and the next one
// goes out; a redrive offers it again, alone.
func TestGivenUpAndRedriven(t *testing.T) {
	w := newWorld(t, 0, 0)
	broken := true
	w.answers(func(g got) int {
		if g.id == "e1" && broken {
			return 503
		}
		return 200
	})
	e := w.create(Endpoint{})
	for range 3 {
		w.feed.add(person(1), kind)
	}
	w.until("the others", func() bool { return len(w.requests()) == 5 && w.status(e.ID).Behind == 0 })
	s := w.status(e.ID)
	if len(s.Failed) != 1 || s.Failed[0].Event != "e1" || s.Failed[0].Attempts != 3 || s.Failed[0].Why != "it answered 503" {
		t.Errorf("failed %+v", s.Failed)
	}
	if _, err := w.m.Ask(t.Context(), e.ID, Redrive{}); err != nil {
		t.Fatal(err)
	}
	w.until("one more try", func() bool { return len(w.requests()) == 6 })
	w.mu.Lock()
	broken = false
	w.mu.Unlock()
	w.until("it is kept as failed", func() bool { f := w.status(e.ID).Failed; return len(f) == 1 && f[0].Attempts == 4 })
	if _, err := w.m.Ask(t.Context(), e.ID, Redrive{Event: "e1"}); err != nil {
		t.Fatal(err)
	}
	w.until("it is delivered", func() bool { return len(w.status(e.ID).Failed) == 0 })
	if all := w.requests(); len(all) != 7 || all[6].id != "e1" {
		t.Errorf("%d requests, the last is %s", len(all), all[len(all)-1].id)
	}
	// Everything since a place, delivered or not.
	if _, err := w.m.Ask(t.Context(), e.ID, Redrive{Since: 2}); err != nil {
		t.Fatal(err)
	}
	w.until("two events again", func() bool { return len(w.requests()) == 9 })
	w.until("their attempts", func() bool { list, _, _ := w.m.Attempts(t.Context(), e.ID, 0, 100); return len(list) == 9 })
	list, more, err := w.m.Attempts(t.Context(), e.ID, 0, 100)
	if err != nil || more || len(list) != 9 {
		t.Fatalf("%d attempts, %v, %v", len(list), more, err)
	}
	for _, a := range list {
		if a.Endpoint != e.ID || strings.Contains(fmt.Sprintf("%+v", a), "very-secret") {
			t.Errorf("attempt %+v", a)
		}
	}
	if a := list[0]; a.Outcome != Refused || a.Status != 503 || a.Next.IsZero() || a.Last {
		t.Errorf("attempt %+v", a)
	}
	if !list[2].Last {
		t.Errorf("the third attempt was not the last: %+v", list[2])
	}
}

// TestGone: 410 disables the endpoint, which keeps its place; a redrive goes on from there.
func TestGone(t *testing.T) {
	w := newWorld(t)
	w.answers(func(got) int { return http.StatusGone })
	e := w.create(Endpoint{})
	w.feed.add(person(1), kind)
	w.until("disabled", func() bool { return w.status(e.ID).State == Disabled })
	if s := w.status(e.ID); s.Why != WhyGone {
		t.Errorf("why %q", s.Why)
	}
	w.answers(func(got) int { return 200 })
	w.feed.add(person(2), kind)
	if _, err := w.m.Ask(t.Context(), e.ID, Redrive{}); err != nil {
		t.Fatal(err)
	}
	w.until("both events", func() bool { return len(w.requests()) == 3 })
	order(t, w.requests(), 2)
}

// TestRevoked: when the key that made it is revoked, nothing goes out any more.
func TestRevoked(t *testing.T) {
	w := newWorld(t)
	e := w.create(Endpoint{})
	w.mu.Lock()
	w.revoked = true
	w.mu.Unlock()
	w.feed.add(person(1), kind)
	w.until("disabled", func() bool { return w.status(e.ID).State == Disabled })
	if n := len(w.requests()); n != 0 || w.status(e.ID).Why != WhyRevoked {
		t.Errorf("%d requests; %q", n, w.status(e.ID).Why)
	}
}

// TestErased: an endpoint about one profile hears that it was erased, and is gone with it.
func TestErased(t *testing.T) {
	w := newWorld(t)
	mine, other := w.create(Endpoint{Profile: person(1)}), w.create(Endpoint{})
	w.feed.add(person(1), kind)
	w.until("both are served", func() bool { return len(w.requests()) == 2 })
	w.seal.mu.Lock()
	w.seal.erased[person(1)] = true
	w.seal.mu.Unlock()
	w.feed.add(person(1), ledger.TypeProfileErased)
	w.until("both are told", func() bool { return len(w.requests()) == 4 })
	if all, err := w.m.List(t.Context()); err != nil || len(all) != 1 || all[0].ID != other.ID {
		t.Errorf("%d webhooks, %v", len(all), err)
	}
	w.until("nothing is left of it", func() bool {
		w.records.mu.Lock()
		defer w.records.mu.Unlock()
		for k := range w.records.values {
			if strings.Contains(k, mine.ID) {
				return false
			}
		}
		return true
	})
}

// TestReset: who is behind what the feed keeps is told, with the place where it goes on.
func TestReset(t *testing.T) {
	w := newWorld(t, 0)
	e := w.create(Endpoint{})
	w.halt()
	for range 5 {
		w.feed.add(person(1), kind)
	}
	w.feed.giveUp(4)
	fail := true
	w.answers(func(g got) int {
		if g.kind == ledger.TypeReset && fail {
			fail = false
			return 500
		}
		return 200
	})
	w.start()
	w.until("the rest", func() bool { return len(w.requests()) == 4 })
	all := w.requests()
	if all[0].kind != ledger.TypeReset || all[1].id != all[0].id || !strings.Contains(string(all[0].body), `"data":{"from":1,"first":4,"state":"/v1/profiles"}`) {
		t.Errorf("%s", all[0].body)
	}
	if all[2].id != "e4" || all[3].id != "e5" {
		t.Errorf("then %s and %s", all[2].id, all[3].id)
	}
	if s := w.status(e.ID); s.State != Enabled {
		t.Errorf("state %s", s.State)
	}
}

// TestNothingIsLost: endpoints that fail in every way, and a manager that is stopped in
// between, get every event at least once, in order per profile.
func TestNothingIsLost(t *testing.T) {
	const seed = 7
	random, fate := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	w := newWorld(t, slices.Repeat([]time.Duration{time.Microsecond}, 1000)...)
	calm := false
	w.answers(func(got) int {
		if calm {
			return 200
		}
		return []int{200, 200, 200, 500, 0, 429}[fate.IntN(6)]
	})
	w.answerWith(http.Header{"Retry-After": {"0"}})
	e := w.create(Endpoint{})
	const n = 600
	for i := range n {
		w.feed.add(person(random.IntN(20)), kind)
		if i%150 == 149 {
			have := len(w.requests())
			w.until("some progress", func() bool { return len(w.requests()) > have+20 })
			w.halt()
			w.start()
		}
	}
	w.mu.Lock()
	calm = true
	w.mu.Unlock()
	w.until("everything", func() bool { s := w.status(e.ID); return s.Behind == 0 && s.Cursor == n+1 })
	// A crash may repeat what was delivered, from the cursor on: order is checked by last new
	// event.
	newest := map[string]int{}
	seen := map[int]bool{}
	for _, g := range w.requests() {
		var seq int
		if _, err := fmt.Sscanf(g.id, "e%d", &seq); err != nil {
			t.Fatal(err)
		}
		if !seen[seq] && seq < newest[g.subject] {
			t.Errorf("%s: event %d is first offered after %d", g.subject, seq, newest[g.subject])
		}
		seen[seq] = true
		newest[g.subject] = max(newest[g.subject], seq)
	}
	if len(seen) != n || len(w.status(e.ID).Failed) != 0 {
		t.Errorf("%d of %d events, %d failed", len(seen), n, len(w.status(e.ID).Failed))
	}
}

// TestRetryAfter: what the endpoint asks for counts when it is longer than the schedule.
func TestRetryAfter(t *testing.T) {
	w := newWorld(t, time.Millisecond)
	w.answerWith(http.Header{"Retry-After": {"3600"}})
	w.answers(func(got) int { return 429 })
	e := w.create(Endpoint{})
	w.feed.add(person(1), kind)
	w.until("the lane", func() bool { return w.status(e.ID).Behind == 1 })
	list, _, err := w.m.Attempts(t.Context(), e.ID, 0, 10)
	if err != nil || len(list) != 1 || list[0].Next.Sub(list[0].At) < 59*time.Minute {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestWhereItGoes: private addresses are refused as literals, and when a name leads there;
// redirects are not followed.
func TestWhereItGoes(t *testing.T) {
	for _, bad := range []string{"", "x", "http://example.com", "ftp://example.com", "https://", "https://u:p@example.com", "https://example.com/#a", "https://127.0.0.1/", "https://[::1]/",
		"https://10.1.2.3", "https://192.168.0.1", "https://172.16.0.1", "https://169.254.169.254/latest", "https://[fd00::1]", "https://[fe80::1]", "https://0.0.0.0", "https://[::]",
		"https://100.64.0.1", "https://[::ffff:10.0.0.1]", "https://[64:ff9b::a00:1]", "https://[2002:a00:1::]", "https://localhost", "https://a.localhost", "https://224.0.0.1", "https://255.255.255.255"} {
		_, err := New("x", Endpoint{URL: bad}, false, 1, time.Now())
		var refusal *ledger.Refusal
		if !errors.As(err, &refusal) || refusal.Fields[0].Pointer != "/url" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, good := range []string{"https://example.com/hook?x=1", "https://8.8.8.8/", "https://[2606:4700::1111]:8443/"} {
		if _, err := New("x", Endpoint{URL: good}, false, 1, time.Now()); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	var refusal *ledger.Refusal
	if _, err := New("x", Endpoint{URL: "http://127.0.0.1:1", Types: []string{"x"}, Description: strings.Repeat("x", 201)}, true, 1, time.Now()); !errors.As(err, &refusal) || len(refusal.Fields) != 2 {
		t.Errorf("every wrong member is named: %v", err)
	}
	if public(netip.MustParseAddr("127.0.0.1")) {
		t.Error("loopback is public")
	}

	w := newWorld(t)
	e := w.create(Endpoint{})
	strict := newCaller(false, "x", time.Now)
	defer strict.close()
	a := strict.call(context.Background(), &Endpoint{URL: strings.Replace(w.url, "127.0.0.1", "localhost", 1), Secrets: e.Secrets, Signing: e.Signing}, "id", []byte("{}"))
	if a.outcome != Unsent || a.why != errPrivate.Error() || len(w.requests()) != 0 {
		t.Errorf("a name that leads to a private address: %+v, %d requests", a, len(w.requests()))
	}
	w.answerWith(http.Header{"Location": {w.url}})
	w.answers(func(got) int { return 302 })
	if a := w.m.caller.call(context.Background(), e, "id", []byte("{}")); a.outcome != Refused || !strings.Contains(a.why, "redirect") || len(w.requests()) != 1 {
		t.Errorf("a redirect: %+v, %d requests", a, len(w.requests()))
	}
	// Nothing of the address is in any word about it.
	for _, u := range []string{"https://127.0.0.1:1/very-secret", "https://no.such.name.invalid/very-secret"} {
		a := w.m.caller.call(context.Background(), &Endpoint{URL: u, Secrets: e.Secrets, Signing: e.Signing}, "id", []byte("{}"))
		if a.outcome != Unsent || strings.Contains(a.why, "secret") {
			t.Errorf("%s: %+v", u, a)
		}
	}
}

// TestCool: an endpoint that does not answer is not offered one event of each profile.
func TestCool(t *testing.T) {
	w := newWorld(t, time.Hour)
	w.answers(func(got) int { return 500 })
	e := w.create(Endpoint{})
	for n := range 200 {
		w.feed.add(person(n), kind)
	}
	w.until("it cools", func() bool { return w.status(e.ID).Behind >= coolAfter })
	if n := w.status(e.ID).Behind; n > coolAfter+senders {
		t.Errorf("%d profiles were tried", n)
	}
	if at := w.status(e.ID).Cursor; at > uint64(coolAfter+senders+1) {
		t.Errorf("the cursor is at %d", at)
	}
}

// TestTest: a test event says what came of it, and leaves no trace but its attempt.
func TestTest(t *testing.T) {
	w := newWorld(t)
	e := w.create(Endpoint{})
	a, err := w.m.Test(t.Context(), e.ID)
	if err != nil || a.Outcome != Delivered || a.Status != 200 {
		t.Errorf("%+v, %v", a, err)
	}
	if all := w.requests(); len(all) != 1 || all[0].kind != TypeTest {
		t.Errorf("%+v", all)
	}
	if err := w.m.Delete(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.m.Get(t.Context(), e.ID); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
	w.feed.add(person(1), kind)
	w.records.mu.Lock()
	defer w.records.mu.Unlock()
	for k := range w.records.values {
		if strings.Contains(k, e.ID) {
			t.Errorf("%s is left", k)
		}
	}
}
