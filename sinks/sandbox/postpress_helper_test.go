package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
)

// postpressClient is one account of a key.
type postpressClient struct {
	*rig
	key, account string
}

func startPostPress(t *testing.T, o Options) postpressClient {
	t.Helper()
	return postpressClient{start(t, o), "pp_test_one", "acc_1"}
}

// postpressForm is a form of pairs "key=text"; a pair "key=@text" is a file with the text.
// It gives the body and its content type.
func postpressForm(t *testing.T, pairs ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, pair := range pairs {
		key, text, _ := strings.Cut(pair, "=")
		disposition := fmt.Sprintf(`form-data; name="%s"`, key)
		text, file := strings.CutPrefix(text, "@")
		if file {
			disposition += `; filename="f.png"`
		}
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}})
		if err == nil {
			_, err = part.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

// send sends a form as it is.
func (p postpressClient) send(header []string, pairs ...string) answer {
	p.Helper()
	body, contentType := postpressForm(p.T, pairs...)
	return p.do("PATCH", "/postpress/api/v1/users/me/edit", body, append([]string{"X-API-KEY", p.key, "Content-Type", contentType}, header...)...)
}

// edit sends a form for the account.
func (p postpressClient) edit(pairs ...string) answer {
	p.Helper()
	return p.send(nil, append([]string{"type=LINKEDIN", "account_id=" + p.account}, pairs...)...)
}

// once is edit with an Idempotency-Key.
func (p postpressClient) once(key string, pairs ...string) answer {
	p.Helper()
	return p.send([]string{"Idempotency-Key", key}, append([]string{"type=LINKEDIN", "account_id=" + p.account}, pairs...)...)
}

// ok requires a 200, which has no id.
func (p postpressClient) ok(a answer) {
	p.Helper()
	if a.status != http.StatusOK || a.body != `{"object":"ProfileEdited"}`+"\n" {
		p.Fatalf("%d %s", a.status, a.body)
	}
}

// want requires an error of a type, in the documented envelope.
func (p postpressClient) want(a answer, status int, kind string) postpressError {
	p.Helper()
	var e postpressError
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.status != status || e.Status != status ||
		e.Type != "errors/"+kind || e.Title == "" || e.Detail == "" || e.Instance == "" {
		p.Fatalf("%v: %d %s, not %d %s", err, a.status, a.body, status, kind)
	}
	return e
}

// get reads; the query is after the account_id.
func (p postpressClient) get(path, query string) answer {
	p.Helper()
	return p.do("GET", "/postpress"+path+"?account_id="+url.QueryEscape(p.account)+query, "", "X-API-KEY", p.key)
}

// me is the owner of the account.
func (p postpressClient) me() (v map[string]any) {
	p.Helper()
	p.decode(p.get("/api/v1/users/me", ""), &v)
	return v
}

// user is the profile with the sections.
func (p postpressClient) user(sections string) (v map[string]any) {
	p.Helper()
	query := ""
	if sections != "" {
		query = "&linkedin_sections=" + sections
	}
	p.decode(p.get("/v1/users/"+p.me()["provider_id"].(string), query), &v)
	return v
}

// items are the items of a section.
func (p postpressClient) items(section string) (items []map[string]any) {
	p.Helper()
	for _, v := range p.user(section)[section].([]any) {
		items = append(items, v.(map[string]any))
	}
	return items
}

// kept is what the control surface says of the key.
func (p postpressClient) kept() (v Account) {
	p.Helper()
	p.decode(p.do("GET", "/_sandbox/postpress/account", "", "X-API-KEY", p.key), &v)
	return v
}

// profile is what is kept of the account, as JSON.
func (p postpressClient) profile() string {
	p.Helper()
	b, err := json.Marshal(p.kept().Profile["account:"+p.account])
	if err != nil {
		p.Fatal(err)
	}
	return string(b)
}

var (
	postpressJob    = []string{"experience[role]=Founder", "experience[company]=postpress", "experience[start_date][month]=3", "experience[start_date][year]=2020"}
	postpressSchool = []string{"education[school]=ETH"}
)

// plus is a form with more, or without the keys that begin with a minus.
func plus(form []string, more ...string) []string {
	out := []string{}
	for _, pair := range form {
		key, _, _ := strings.Cut(pair, "=")
		gone := false
		for _, m := range more {
			gone = gone || m == "-"+key
		}
		if !gone {
			out = append(out, pair)
		}
	}
	for _, m := range more {
		if !strings.HasPrefix(m, "-") {
			out = append(out, m)
		}
	}
	return out
}
