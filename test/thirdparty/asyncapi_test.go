package thirdparty

import (
	"strings"
	"testing"

	"vitae/test/harness"
)

// TestAsyncAPI: the project's own parser finds nothing in the description of what is
// published, and something in a broken one.
func TestAsyncAPI(t *testing.T) {
	check := func(document string) string {
		return harness.Node(t, []string{"@asyncapi/parser@3.6.3"}, `
import { Parser } from '@asyncapi/parser';
import fs from 'node:fs';
const { document, diagnostics } = await new Parser().parse(fs.readFileSync(0, 'utf8'));
for (const found of diagnostics) {
  // Which version of AsyncAPI there is has nothing to do with the document.
  if (found.code !== 'asyncapi-latest-version') console.log(found.code + ' at ' + found.path.join('/') + ': ' + found.message);
}
if (!document) console.log('it cannot be read');
`, document)
	}
	s := harness.Start(t, harness.Options{})
	document := string(s.Client("").Must(200, "GET", "/asyncapi.json", nil).Body)
	if found := check(document); found != "" {
		t.Errorf("found:\n%s", found)
	}
	if found := check(strings.Replace(document, `"action"`, `"acting"`, 1)); found == "" {
		t.Error("the parser finds nothing in a broken description")
	}
}
