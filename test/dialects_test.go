package test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"vitae/test/harness"
)

// form is a multipart body of fields: names and values in turn. A value that begins with @
// is the content of a picture.
func form(t *testing.T, fields ...string) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if content, file := strings.CutPrefix(fields[i+1], "@"); file {
			part, err := w.CreateFormFile(fields[i], "me.png")
			if err == nil {
				_, err = part.Write([]byte("\x89PNG\r\n\x1a\n " + content))
			}
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

// TestAnEditInAnyDialectReachesTheOthers: a client of one provider's API, with its base URL
// and key changed, edits the profile; the edit is at every provider that carries it, in its
// own shape, with one write; and it made the commit through that dialect.
func TestAnEditInAnyDialectReachesTheOthers(t *testing.T) {
	sandbox := harness.StartSandbox(t, "--requests-per-minute", "0")
	s := harness.Start(t, harness.Options{Config: five(sandbox)})
	admin := s.Admin()
	id := admin.Create(map[string]any{"firstName": "Jane", "lastName": "Smith", "email": "jane@example.com", "city": "Rennes", "country": "France"})
	credentials := connectFive(t, admin, id)
	settled(t, s)
	key, _ := admin.NewKey(id, "client", "profile:read", "profile:write")
	client, account := s.Client(key), "acc"+strings.ToLower(id)
	headline, headlineType := form(t, "type", "LINKEDIN", "account_id", account, "headline", "Building postpress", "skills", "Go", "skills", "SQL")
	restli := []string{"X-RestLi-Protocol-Version", "2.0.0"}
	for _, c := range []struct {
		via, method, path string
		body              any
		headers           []string
		status            int
		want              map[string]any // of the profile
		writes            map[string]int
	}{
		{"mokaru", "PATCH", "/v1/profile", map[string]any{"employer": "ACME", "sector": "Software"}, nil, 200,
			map[string]any{"employer": "ACME"}, map[string]int{"mokaru": 1, "nexudus": 1, "jarvi": 1}},
		{"postpress", "PATCH", "/api/v1/users/me/edit", headline, []string{"Content-Type", headlineType}, 200,
			map[string]any{"headline": "Building postpress"}, map[string]int{"mokaru": 2, "postpress": 1, "linkedin": 4, "nexudus": 1, "jarvi": 1}}, // two skills, and their order
		{"linkedin", "POST", "/v2/people/(id:" + account + ")", `{"patch":{"$set":{"firstName":{"localized":{"en_US":"Janet","fr_FR":"Jeanne"},"preferredLocale":{"country":"US","language":"en"}}}}}`, restli, 200,
			map[string]any{"firstName": "Janet", "firstName@fr_FR": "Jeanne"}, map[string]int{"mokaru": 1, "linkedin": 1, "nexudus": 1, "jarvi": 1}},
		{"linkedin", "POST", "/v2/people/id=" + account + "/positions",
			`{"title":{"localized":{"en_US":"Designer"},"preferredLocale":{"country":"US","language":"en"}},"companyName":{"localized":{"en_US":"Acme"},"preferredLocale":{"country":"US","language":"en"}},"startMonthYear":{"month":3,"year":2021}}`,
			restli, 201, nil, map[string]int{"mokaru": 1, "postpress": 1, "linkedin": 1}},
		{"nexudus", "PATCH", "/api/public/coworker/profile", `{"Position":"Director","MobilePhone":"+33752626199"}`, nil, 200,
			map[string]any{"jobTitle": "Director", "phone": "+33752626199"}, map[string]int{"mokaru": 1, "linkedin": 1, "nexudus": 1, "jarvi": 1}},
		{"jarvi", "POST", "/v1/public-api/rest/v2/profiles", map[string]any{"externalId": id, "lastName": "Smithers"}, nil, 201,
			map[string]any{"lastName": "Smithers"}, map[string]int{"mokaru": 1, "linkedin": 1, "nexudus": 1, "jarvi": 1}},
	} {
		t.Run(c.via+" "+c.path[:min(len(c.path), 24)], func(t *testing.T) {
			before := countsOf(t, sandbox)
			client.Must(c.status, c.method, c.path, c.body, c.headers...)
			settled(t, s)
			after, doc := countsOf(t, sandbox), admin.Read(id, "")
			for name, want := range c.want {
				if doc[name] != want {
					t.Errorf("%s is %v", name, doc[name])
				}
			}
			h := admin.MustHistory(id)
			if last := h[len(h)-1]; last.Via != c.via && (c.via != "mokaru" || last.Via != "native") {
				t.Errorf("the commit came through %s", last.Via)
			}
			for provider, credential := range credentials {
				if got := after.of(provider, credential).Writes - before.of(provider, credential).Writes; got != c.writes[provider] {
					t.Errorf("%d writes at %s, want %d", got, provider, c.writes[provider])
				}
			}
			// The same request again changes nothing, and calls nobody. A create is another one.
			if c.method == http.MethodPost && strings.HasSuffix(c.path, "/positions") {
				return
			}
			client.Must(c.status, c.method, c.path, c.body, c.headers...)
			settled(t, s)
			for provider, credential := range credentials {
				if a, b := countsOf(t, sandbox).of(provider, credential).Requests, after.of(provider, credential).Requests; a != b {
					t.Errorf("the same request again made %d requests at %s", a-b, provider)
				}
			}
		})
	}
}
