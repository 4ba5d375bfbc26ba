package test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"vitae/test/harness"
)

// five is a configuration that delivers to all five stand-ins.
func five(s *harness.Sandbox) string {
	c := harness.Fast(s.URL("mokaru"))
	for _, p := range []string{"postpress", "linkedin", "nexudus", "jarvi"} {
		c += fmt.Sprintf("[sinks.%s]\nbase_url = %q\nrequests_per_minute = 0\nrequests_per_day = 0\ntimeout = \"10s\"\nsettle = \"300ms\"\n", p, s.URL(p))
	}
	return c
}

// connectFive connects a profile to all five, and gives its credentials by provider.
func connectFive(t *testing.T, admin *harness.Client, id string) map[string]string {
	t.Helper()
	word := strings.ToLower(id)
	out := map[string]string{"mokaru": harness.Credential(), "postpress": "pp_test_" + word, "linkedin": "AQ" + word, "nexudus": "nx" + word, "jarvi": "jv" + word}
	for provider, credential := range out {
		body := map[string]any{"credential": credential}
		if provider == "postpress" || provider == "linkedin" {
			body["account"] = "acc" + word
		}
		if r := admin.Try(http.MethodPut, harness.Profile(id, "/connections/"+provider), body); r.Status/100 != 2 {
			t.Fatalf("connecting %s: %d %s", provider, r.Status, r.Body)
		}
	}
	return out
}

// counted is what the stand-ins say about the accounts, by provider and the account's name.
type counted map[string]struct {
	Provider, Account string
	Requests, Writes  int
}

func countsOf(t *testing.T, s *harness.Sandbox) counted {
	t.Helper()
	var list []struct {
		Provider, Account string
		Requests, Writes  int
	}
	harness.NewClient(t, strings.TrimSuffix(s.URL("mokaru"), "/mokaru"), "").Must(200, get, "/_sandbox/accounts", nil).Into(t, &list)
	out := counted{}
	for _, a := range list {
		out[a.Provider+" "+a.Account] = a
	}
	return out
}

func (c counted) of(provider, credential string) struct {
	Provider, Account string
	Requests, Writes  int
} {
	sum := sha256.Sum256([]byte(credential))
	return c[provider+" "+hex.EncodeToString(sum[:])[:8]]
}

// home is how a provider carries a field.
type home struct{ Provider, How string }

// scalars are the native scalars of the catalogue that are texts of some kind, with how
// each provider carries them and a value.
func scalars(t *testing.T) (names []string, homes map[string][]home, values map[string]string) {
	t.Helper()
	r := harness.Command(t, nil, "", "fields", "-o", "json")
	var fields []struct {
		Name, View, Kind string
		Homes            []home
	}
	if err := json.Unmarshal([]byte(r.Out), &fields); err != nil {
		t.Fatal(err)
	}
	homes, values = map[string][]home{}, map[string]string{}
	special := map[string]string{"email": "new@example.org", "birthDate": "1991-02-16", "phone": "+33 7 52 62 61 99", "linkedIn": "https://linkedin.com/in/somebody-else", "country": "Germany",
		"website": "https://new.example.org", "portfolio": "https://work.example.org", "postalCode": "35700"}
	for _, f := range fields {
		if f.View != "shared" || strings.ContainsAny(f.Name, ".[") || !slices.Contains([]string{"text", "url", "date", "email", "linkedin url"}, f.Kind) {
			continue
		}
		names, homes[f.Name], values[f.Name] = append(names, f.Name), f.Homes, "New "+f.Name
		if v := special[f.Name]; v != "" {
			values[f.Name] = v
		}
	}
	if len(names) < 25 {
		t.Fatalf("only %d scalars: %v", len(names), names)
	}
	return names, homes, values
}

// TestEveryScalarReachesWhoCarriesIt: one edit of each field is one write at every provider
// that carries it, and none at the others; the same edit again is no request at all.
func TestEveryScalarReachesWhoCarriesIt(t *testing.T) {
	sandbox := harness.StartSandbox(t, "--requests-per-minute", "0")
	s := harness.Start(t, harness.Options{Config: five(sandbox)})
	admin := s.Admin()
	names, homes, values := scalars(t)
	ids, credentials := map[string]string{}, map[string]map[string]string{}
	for _, name := range names {
		ids[name] = admin.Create(map[string]any{"firstName": "Jane", "lastName": "Smith", "email": "jane@example.com", "city": "Rennes", "country": "France",
			"postpress": map[string]any{"location": map[string]any{"id": "103035651"}}})
		credentials[name] = connectFive(t, admin, ids[name])
	}
	settled(t, s)
	before := countsOf(t, sandbox)
	edit := func() {
		t.Helper()
		for _, name := range names {
			admin.Must(200, patch, harness.Profile(ids[name]), map[string]any{name: values[name]})
		}
		settled(t, s)
	}
	edit()
	after := countsOf(t, sandbox)
	for _, name := range names {
		for _, h := range homes[name] {
			want := 0
			if h.How != "not carried" {
				want = 1
			}
			if name == "portfolio" && h.Provider == "postpress" {
				want = 0 // it has one link, which is the website's unless the profile says otherwise
			}
			credential := credentials[name][h.Provider]
			if got := after.of(h.Provider, credential).Writes - before.of(h.Provider, credential).Writes; got != want {
				t.Errorf("an edit of %s made %d writes at %s, which carries it as %q", name, got, h.Provider, h.How)
			}
		}
	}
	edit()
	again := countsOf(t, sandbox)
	for key, a := range again {
		if a.Requests != after[key].Requests {
			t.Errorf("%s: %d requests for nothing", key, a.Requests-after[key].Requests)
		}
	}
}

// TestAValueTooLongForOneIsParkedThere: and delivered to the others.
func TestAValueTooLongForOneIsParkedThere(t *testing.T) {
	sandbox := harness.StartSandbox(t, "--requests-per-minute", "0")
	s := harness.Start(t, harness.Options{Config: five(sandbox)})
	admin := s.Admin()
	id := admin.Create(map[string]any{"firstName": "Jane", "lastName": "Smith", "postpress": map[string]any{"location": map[string]any{"id": "103035651"}}, "postalCode": "35000"})
	connectFive(t, admin, id)
	settled(t, s)
	admin.Must(200, patch, harness.Profile(id), map[string]any{"postalCode": "EC1A 1BB", "headline": "New"}) // PostPress takes five characters
	if r := s.CLI("sink", "wait", "--timeout", "60s"); r.Code != 3 {
		t.Fatalf("sink wait: %v", r)
	}
	states := map[string]string{}
	for _, c := range admin.Must(200, get, harness.Profile(id, "/connections"), nil).List(t) {
		states[c["provider"].(string)] = c["state"].(string)
	}
	for provider, state := range states {
		if want := map[bool]string{true: "parked", false: "in_sync"}[provider == "postpress"]; state != want {
			t.Errorf("%s is %s", provider, state)
		}
	}
	var parked struct {
		Data []struct{ Reason, Code string }
	}
	admin.Must(200, get, "/v1/sinks/postpress/parked", nil).Into(t, &parked)
	if len(parked.Data) != 1 || parked.Data[0].Code != "unsendable" || !strings.Contains(parked.Data[0].Reason, "postalCode") && !strings.Contains(parked.Data[0].Reason, "postal") {
		t.Errorf("%+v", parked.Data)
	}
}
