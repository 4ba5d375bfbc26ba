package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"

	"vitae/ledger"
)

// TestOpenAPI: the document has every route, every route has what a client needs to know,
// and every reference leads somewhere.
func TestOpenAPI(t *testing.T) {
	w := newWorld(t, Config{})
	a := w.must(200, call{method: "GET", path: "/openapi.json"})
	var doc struct {
		OpenAPI    string
		Info       struct{ Title, Version string }
		Paths      map[string]map[string]map[string]any
		Components map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" || doc.Info.Title == "" || doc.Info.Version == "" {
		t.Errorf("head %+v", doc.Info)
	}
	ids := map[string]bool{}
	n := 0
	for _, rt := range w.srv.routes() {
		n++
		op := doc.Paths[documented(rt.path)][strings.ToLower(rt.method)]
		if op == nil {
			t.Errorf("%s %s is not in the document", rt.method, rt.path)
			continue
		}
		id, _ := op["operationId"].(string)
		if id == "" || ids[id] {
			t.Errorf("%s %s: operationId %q", rt.method, rt.path, id)
		}
		ids[id] = true
		if op["summary"] == "" || op["tags"] == nil {
			t.Errorf("%s has no summary or tag", id)
		}
		security, ok := op["security"].([]any)
		if !ok || rt.open != (len(security) == 0) {
			t.Errorf("%s: security %v", id, op["security"])
		}
		responses, _ := op["responses"].(map[string]any)
		if len(responses) == 0 || !rt.open && (responses["401"] == nil || responses["429"] == nil || responses["500"] == nil) {
			t.Errorf("%s: responses %v", id, responses)
		}
		for status, r := range responses {
			if r.(map[string]any)["description"] == "" {
				t.Errorf("%s: %s has no description", id, status)
			}
		}
		if rt.scope != 0 && op["description"] == nil {
			t.Errorf("%s does not say which scope it needs", id)
		}
		if got := strings.Count(rt.path, "{"); got > 0 {
			in := 0
			for _, p := range op["parameters"].([]any) {
				if p := p.(map[string]any); p["in"] == "path" && p["required"] == true {
					in++
				}
			}
			if in != got {
				t.Errorf("%s: %d parameters in the path, want %d", id, in, got)
			}
		}
		if rt.request != "" && op["requestBody"] == nil {
			t.Errorf("%s has no request body", id)
		}
		// A route that must not be called without a key is not.
		if a := w.do(call{method: rt.method, path: strings.NewReplacer("{lang}", "en", "{", "", "}", "").Replace(rt.path)}); !rt.open && a.status != http.StatusUnauthorized {
			t.Errorf("%s without a key: %d", id, a.status)
		}
	}
	in := 0
	for _, item := range doc.Paths {
		in += len(item)
	}
	if in != n {
		t.Errorf("%d operations in the document, %d routes", in, n)
	}
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if r, ok := v["$ref"].(string); ok {
				parts := strings.Split(r, "/")
				if len(parts) != 4 || doc.Components[parts[2]][parts[3]] == nil {
					t.Errorf("%s leads nowhere", r)
				}
			}
			for _, x := range v {
				follow(x)
			}
		case []any:
			for _, x := range v {
				follow(x)
			}
		}
	}
	var whole any
	if err := json.Unmarshal([]byte(a.body), &whole); err != nil {
		t.Fatal(err)
	}
	follow(whole)

	// The profile's schemas are the catalogue's.
	patch := doc.Components["schemas"]["ProfilePatch"].(map[string]any)["properties"].(map[string]any)
	for _, f := range ledger.Catalogue() {
		if f.Provider == "" && (patch[f.Name] == nil) != f.Hidden {
			t.Errorf("field %s: in the schema %v, hidden %v", f.Name, patch[f.Name] != nil, f.Hidden)
		}
	}
	if patch["nexudus"].(map[string]any)["properties"].(map[string]any)["onNewWallPost"] == nil {
		t.Error("the nexudus object has no onNewWallPost")
	}
	w.must(304, call{method: "GET", path: "/openapi.json", header: map[string]string{"If-None-Match": a.header.Get("ETag")}})
}

var updateOpenAPI = flag.Bool("update-openapi", false, "write openapi.json anew")

// TestOpenAPIIsCommitted: the copy in the repository, for people who read changes, is what
// is served.
func TestOpenAPIIsCommitted(t *testing.T) {
	w := newWorld(t, Config{})
	var served bytes.Buffer
	if err := json.Indent(&served, []byte(w.must(200, call{method: "GET", path: "/openapi.json"}).body), "", " "); err != nil {
		t.Fatal(err)
	}
	served.WriteByte('\n')
	if *updateOpenAPI {
		if err := os.WriteFile("openapi.json", served.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, served.Bytes()) {
		t.Error("go test ./cmd/vitae/internal/api -run OpenAPI -update-openapi writes it anew; look at the difference")
	}
}

// TestDocs: the page has every route, every link in it leads somewhere, and it asks nobody
// else for anything.
func TestDocs(t *testing.T) {
	w := newWorld(t, Config{})
	a := w.must(200, call{method: "GET", path: "/docs"})
	for _, rt := range w.srv.routes() {
		if !strings.Contains(a.body, `<details id="`+rt.id+`">`) {
			t.Errorf("%s is not on the page", rt.id)
		}
	}
	for part := range strings.SplitSeq(a.body, `href="#`) {
		name, _, _ := strings.Cut(part, `"`)
		if !strings.HasPrefix(part, "<!doctype") && !strings.Contains(a.body, `id="`+name+`"`) {
			t.Errorf("#%s leads nowhere", name)
		}
	}
	for _, bad := range []string{"<script", "src=", "http://", "https://", "url(", "@import", "<link"} {
		// Texts of the schemas may name an address; nothing fetches it.
		if head, _, _ := strings.Cut(a.body, `id="schemas"`); strings.Contains(head, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if csp := a.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
		t.Errorf("policy %q", csp)
	}
	w.must(304, call{method: "GET", path: "/docs", header: map[string]string{"If-None-Match": a.header.Get("ETag")}})
}
