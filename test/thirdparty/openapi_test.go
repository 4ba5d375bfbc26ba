package thirdparty

import (
	"strings"
	"testing"

	"vitae/test/harness"
)

// spectral lints a description with Spectral and its own rules, and gives what it finds.
func spectral(t testing.TB, rules, document string) string {
	t.Helper()
	return harness.Node(t, []string{"@stoplight/spectral-core@1.24.1", "@stoplight/spectral-rulesets@1.23.1"}, `
import core from '@stoplight/spectral-core';
import rulesets from '@stoplight/spectral-rulesets';
import fs from 'node:fs';
const linter = new core.Spectral();
linter.setRuleset(new core.Ruleset({ extends: [rulesets.`+rules+`] }, { source: '/ruleset' }));
for (const found of await linter.run(JSON.parse(fs.readFileSync(0, 'utf8')))) {
  console.log(found.code + ' at ' + found.path.join('/') + ': ' + found.message);
}
`, document)
}

// TestOpenAPI: a linter finds nothing in the description of the API, and something in a
// broken one.
func TestOpenAPI(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	document := string(s.Client("").Must(200, "GET", "/openapi.json", nil).Body)
	if found := spectral(t, "oas", document); found != "" {
		t.Errorf("found:\n%s", found)
	}
	broken := strings.Replace(document, `"operationId":"getProfile"`, `"operationId":"getOwnProfile"`, 1)
	if found := spectral(t, "oas", broken); !strings.Contains(found, "operation-operationId-unique") {
		t.Errorf("the linter finds nothing in a broken description: %s", found)
	}
}
