package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// linkedinClient is one member with a token.
type linkedinClient struct {
	*rig
	token, id string
}

func startLinkedIn(t *testing.T, o Options) linkedinClient {
	t.Helper()
	return linkedinClient{start(t, o), "token-1", "ABCDEF"}
}

// call makes a request under the base path; more is pairs of header names and values.
func (p linkedinClient) call(method, path, body string, more ...string) answer {
	p.Helper()
	header := append([]string{"Authorization", "Bearer " + p.token, "Content-Type", "application/json",
		"X-RestLi-Protocol-Version", "2.0.0"}, more...)
	return p.do(method, "/linkedin"+path, body, header...)
}

// path is a path under the person.
func (p linkedinClient) path(rest string) string { return "/v2/people/(id:" + p.id + ")" + rest }

// edit patches the profile.
func (p linkedinClient) edit(body string) answer {
	p.Helper()
	return p.call("POST", p.path(""), body)
}

// set patches the profile and requires a 200.
func (p linkedinClient) set(fields string) {
	p.Helper()
	p.want(p.edit(`{"patch":{"$set":`+fields+`}}`), http.StatusOK)
}

// create makes an entity and gives its id.
func (p linkedinClient) create(section, entity string) string {
	p.Helper()
	a := p.call("POST", p.path("/"+section), entity)
	p.want(a, http.StatusCreated)
	id := a.header.Get("x-linkedin-id")
	if a.body != "" || id == "" || id != a.header.Get("x-restli-id") {
		p.Fatalf("created with %v %q", a.header, a.body)
	}
	return id
}

// want requires a status, and the form of errors.
func (p linkedinClient) want(a answer, status int) {
	p.Helper()
	if a.status != status {
		p.Fatalf("%d, not %d: %s", a.status, status, a.body)
	}
	if status < 400 {
		return
	}
	var e map[string]any
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || len(e) != 3 || e["status"] != float64(status) || e["message"] == "" {
		p.Fatalf("%v: %s", err, a.body)
	}
	if _, ok := e["serviceErrorCode"].(float64); !ok {
		p.Fatalf("no code: %s", a.body)
	}
}

// read gives the profile with its numbers as they came.
func (p linkedinClient) read(query string) map[string]any {
	p.Helper()
	a := p.call("GET", p.path("")+query, "")
	p.want(a, http.StatusOK)
	return p.unmarshal(a.body)
}

func (p linkedinClient) unmarshal(body string) (v map[string]any) {
	p.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(body)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		p.Fatal(err)
	}
	return v
}

// reads requires that a field reads back as the JSON text, or is absent if it is empty.
func (p linkedinClient) reads(field, want string) {
	p.Helper()
	v, there := p.read("")[field]
	b, _ := json.Marshal(v)
	if want == "" && there || want != "" && string(b) != linkedinCompact(p.T, want) {
		p.Errorf("%s reads back as %s, not %s", field, b, want)
	}
}

// ids are the ids of a section as they are shown.
func (p linkedinClient) ids(section string) (ids []string) {
	p.Helper()
	list, _ := p.read("")[section].([]any)
	for _, v := range list {
		ids = append(ids, string(v.(map[string]any)["id"].(json.Number)))
	}
	return ids
}

// kept is what the control surface says of the token.
func (p linkedinClient) kept() Account {
	p.Helper()
	var v Account
	p.decode(p.do("GET", "/_sandbox/linkedin/account", "", "Authorization", "Bearer "+p.token), &v)
	return v
}

// linkedinCompact is a JSON text with the members of objects in order and without spaces.
func linkedinCompact(t *testing.T, text string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// english is a MultiLocaleString, englishRich a MultiLocaleRichText.
func english(text string) string {
	return fmt.Sprintf(`{"localized":{"en_US":%s},"preferredLocale":{"country":"US","language":"en"}}`, quote(text))
}

func englishRich(text string) string {
	return fmt.Sprintf(`{"localized":{"en_US":{"rawText":%s}},"preferredLocale":{"country":"US","language":"en"}}`, quote(text))
}
