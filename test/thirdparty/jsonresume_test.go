package thirdparty

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitae/test/harness"
)

// person is a profile with every native field, but for files and what is only read.
func person(t testing.TB) map[string]any {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(root, "cmd/vitae/internal/formats/testdata/jane.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	delete(doc, "picture")
	delete(doc, "coverPicture")
	delete(doc, "phone") // phones has it
	return doc
}

// TestJSONResume: what is exported passes the project's own validator, and a theme makes a
// page of it; and so does what is imported and exported again.
func TestJSONResume(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	admin := s.Admin()
	check := func(id string) string {
		t.Helper()
		r := admin.Must(200, "GET", "/v1/resume/base/export?format=jsonresume", nil, "X-Vitae-Profile", id)
		page := harness.Node(t, []string{"@jsonresume/schema@1.3.1", "jsonresume-theme-even@0.26.1"}, `
import schema from '@jsonresume/schema';
import { render } from 'jsonresume-theme-even';
import fs from 'node:fs';
const resume = JSON.parse(fs.readFileSync(0, 'utf8'));
schema.validate(resume, (errors) => {
  if (errors) { console.error(JSON.stringify(errors)); process.exit(1); }
});
process.stdout.write(await render(resume));
`, string(r.Body))
		for _, want := range []string{"Engineer", "Acme", "INSA", "On ledgers"} {
			if !strings.Contains(page, want) {
				t.Errorf("the theme's page has no %q", want)
			}
		}
		return string(r.Body)
	}
	id := admin.Create(person(t))
	whole := check(id)

	// Into an empty profile, and out again: the same, but for when it was made.
	other := admin.Create(nil)
	admin.Must(200, "POST", "/v1/import", json.RawMessage(whole), "X-Vitae-Profile", other)
	again := check(other)
	if cut(whole) != cut(again) {
		t.Errorf("exported\n%s\nimported and exported\n%s", whole, again)
	}
	// Once more changes nothing.
	r := admin.Must(200, "POST", "/v1/import", json.RawMessage(whole), "X-Vitae-Profile", other)
	if e := r.Edit(t); e.Updated {
		t.Errorf("the same file again changes %v", e.Fields)
	}
	for _, e := range admin.MustHistory(other)[1:] {
		if e.Via != "import" {
			t.Errorf("event %d.%d came via %s", e.Seq, e.Index, e.Via)
		}
	}
}

func cut(resume string) string {
	before, _, _ := strings.Cut(resume, `"lastModified"`)
	return before
}
