package api

import (
	"context"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

func idemHeader(key string) map[string]string { return map[string]string{"Idempotency-Key": key} }

func TestIdempotency(t *testing.T) {
	w := newWorld(t, Config{})
	id := w.person(jane)
	key := w.key(id, keys.ProfileRead|keys.ProfileWrite)
	again := func(name string, c call, status int) {
		t.Helper()
		head := w.com.Head()
		first := w.must(status, c)
		if first.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%s: the first is a replay", name)
		}
		written := w.com.Head()
		second := w.must(status, c)
		if second.header.Get("Idempotency-Replayed") != "true" || second.body != first.body || second.header.Get("ETag") != first.header.Get("ETag") ||
			second.header.Get("Location") != first.header.Get("Location") {
			t.Errorf("%s: first %s %v, second %s %v", name, first.body, first.header, second.body, second.header)
		}
		if w.com.Head() != written {
			t.Errorf("%s: two effects, head %d, %d, %d", name, head, written, w.com.Head())
		}
		other := c
		other.body = strings.Replace(c.body, "x", "y", 1)
		w.must(422, other)
	}
	again("patch", call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`, header: idemHeader("a")}, 200)
	again("no-op", call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`, header: idemHeader("b")}, 200)
	again("resume", call{method: "POST", path: "/v1/resume", key: key, body: `{"name":"x"}`, header: idemHeader("c")}, 201)
	again("item", call{method: "POST", path: "/v1/skills", key: key, body: `{"name":"x"}`, header: idemHeader("d")}, 201)
	again("profile", call{method: "POST", path: "/v1/profiles", key: adminText, body: `{"firstName":"x"}`, header: idemHeader("e")}, 201)

	// An error is no reply to keep: the same key can be used for the corrected request.
	w.must(400, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"nope":1}`, header: idemHeader("f")})
	w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"z"}`, header: idemHeader("f")})
	// Plain and quoted are the same key; another route or API key makes another request.
	if a := w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"z"}`, header: idemHeader(`"f"`)}); a.header.Get("Idempotency-Replayed") != "true" {
		t.Error("a quoted key is another one")
	}
	w.must(422, call{method: "PATCH", path: "/v1/resume/base", key: key, body: `{"name":"z"}`, header: idemHeader("f")})
	if a := w.must(200, call{method: "PATCH", path: "/v1/profile", key: w.key(id, keys.ProfileWrite), body: `{"summary":"z"}`, header: idemHeader("f")}); a.header.Get("Idempotency-Replayed") != "" {
		t.Error("another API key got the reply")
	}
	for _, bad := range []string{" ", `""`, "é", strings.Repeat("x", 256)} {
		w.must(400, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"z"}`, header: idemHeader(bad)})
	}
	// A dry run takes no key.
	w.must(200, call{method: "PATCH", path: "/v1/profile?dryRun=true", key: key, body: `{"summary":"q"}`, header: idemHeader("g")})
	if a := w.must(200, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"q"}`, header: idemHeader("g")}); a.header.Get("Idempotency-Replayed") != "" {
		t.Error("a dry run took the key")
	}
	// Neither key nor body is in what the committer gets.
	last := w.submitted[len(w.submitted)-1]
	if last.Idem == nil || last.Idem.Key == [16]byte{} || last.Idem.Key == last.Idem.Body {
		t.Errorf("idem %v", last.Idem)
	}
}

// TestIdempotencyOfKeys: a key is made once, and its text is replayed for who lost it.
func TestIdempotencyOfKeys(t *testing.T) {
	w := newWorld(t, Config{})
	c := call{method: "POST", path: "/v1/keys", key: adminText, body: `{"name":"x","profile":"*","scopes":["operate"]}`, header: idemHeader("k")}
	first, second := w.must(201, c), w.must(201, c)
	if first.body != second.body || second.header.Get("Idempotency-Replayed") != "true" || len(w.keys.List()) != 1 {
		t.Errorf("first %s, second %s, %d keys", first.body, second.body, len(w.keys.List()))
	}
	c.body = strings.Replace(c.body, "x", "y", 1)
	w.must(422, c)
	text := first.json(t)["data"].(map[string]any)["key"].(string)
	for e, err := range w.idems.Watch(context.Background()) {
		if err != nil || e.Key == "" {
			break
		}
		if strings.Contains(string(e.Value), text) {
			t.Error("the record of the reply is not sealed")
		}
	}
	// What fails gives the key back.
	c = call{method: "POST", path: "/v1/sinks/nobody/pause", key: adminText, header: idemHeader("s")}
	w.must(404, c)
	w.must(404, c)
	c.path = "/v1/sinks/mokaru/pause"
	w.must(200, c)
	if a := w.must(200, c); a.header.Get("Idempotency-Replayed") != "true" || !w.sinks.paused["mokaru"] {
		t.Errorf("replay %v", a.header)
	}
}

// TestIdempotencyInFlight: while the first request runs, the second is told so.
func TestIdempotencyInFlight(t *testing.T) {
	w := newWorld(t, Config{})
	key := w.key(w.person(jane), keys.ProfileWrite)
	c := call{method: "POST", path: "/v1/keys", key: adminText, body: `{"profile":"*","scopes":["operate"]}`, header: idemHeader("k")}
	// The first has taken the key and then hangs, as a crashed instance would.
	r := c.request()
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, &exchange{key: w.keys.Lookup(adminText)}))
	i, err := w.srv.idemOf(r, []byte(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if _, before, err := w.srv.claim(t.Context(), ledger.ProfileID{}, i); err != nil || before != nil {
		t.Fatal(before, err)
	}
	if a := w.must(409, c); a.header.Get("Retry-After") == "" || a.json(t)["code"] != "idempotency_key_in_flight" {
		t.Errorf("in flight: %s", a.body)
	}
	// A command under the same key must not slip past it either.
	w.must(422, call{method: "POST", path: "/v1/profiles", key: adminText, header: idemHeader("k")})
	w.clock.add(abandoned)
	w.must(201, c)

	// A command in flight is the committer's to know.
	w.submit = func(context.Context, ledger.Request) (ledger.Reply, error) { return ledger.Reply{}, ledger.ErrIdemBusy }
	if a := w.must(409, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`, header: idemHeader("p")}); a.header.Get("Retry-After") != "1" {
		t.Errorf("in flight: %v", a.header)
	}
	// A lost answer says how to ask again.
	w.submit = func(context.Context, ledger.Request) (ledger.Reply, error) { return ledger.Reply{}, ledger.ErrUnknown }
	if a := w.must(504, call{method: "PATCH", path: "/v1/profile", key: key, body: `{"summary":"x"}`, header: idemHeader("p")}); !strings.Contains(a.body, "same Idempotency-Key") {
		t.Errorf("unknown: %s", a.body)
	}
}
