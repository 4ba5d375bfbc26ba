package test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
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
