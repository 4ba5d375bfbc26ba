package thirdparty

import (
	"encoding/json"
	"strings"
	"testing"

	"vitae/test/harness"
)

// TestEventSchemas: a validator takes every event that is published by the schema that is
// served for its type, and refuses one that is broken.
func TestEventSchemas(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	admin := s.Admin()
	id := admin.Create(map[string]any{"firstName": "Jane"})
	resume := admin.Must(201, "POST", "/v1/resume", map[string]any{"name": "Other"}, "X-Vitae-Profile", id)
	var made struct{ ID string }
	resume.Into(t, &made)
	admin.Must(200, "DELETE", "/v1/resume/"+made.ID, nil, "X-Vitae-Profile", id)
	admin.Must(200, "DELETE", harness.Profile(id), nil)
	schemas := map[string]json.RawMessage{}
	for _, one := range admin.Must(200, "GET", "/schemas", nil).List(t) {
		schemas[one["type"].(string)] = admin.Must(200, "GET", one["schema"].(string), nil).Body
	}
	var events []json.RawMessage
	kinds := map[string]bool{}
	for line := range strings.Lines(string(admin.Must(200, "GET", "/v1/events?from=1&format=jsonl&follow=false", nil).Body)) {
		var one struct{ Event json.RawMessage }
		var e struct{ Type string }
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(one.Event, &e); err != nil {
			t.Fatal(err)
		}
		kinds[e.Type] = true
		events = append(events, one.Event)
	}
	for _, kind := range []string{"vitae.profile.changed.v1", "vitae.resume.created.v1", "vitae.resume.deleted.v1", "vitae.profile.erased.v1"} {
		if !kinds[kind] {
			t.Errorf("no event of type %s", kind)
		}
	}
	input, err := json.Marshal(map[string]any{"schemas": schemas, "events": events})
	if err != nil {
		t.Fatal(err)
	}
	out := harness.Node(t, []string{"ajv@8.17.1", "ajv-formats@3.0.1"}, `
import Ajv from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import fs from 'node:fs';
const { schemas, events } = JSON.parse(fs.readFileSync(0, 'utf8'));
const ajv = new Ajv.default({ strict: false, allErrors: true });
formats.default(ajv);
const checks = Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, ajv.compile(schema)]));
for (const event of events) {
  const check = checks[event.type];
  if (!check(event)) { console.error(event.type, JSON.stringify(check.errors)); process.exit(1); }
  for (const broken of [{ ...event, id: 1 }, { ...event, data: {} }, { ...event, type: 'x' }]) {
    if (check(broken)) { console.error('taken though broken', JSON.stringify(broken)); process.exit(1); }
  }
}
console.log(events.length);
`, string(input))
	if strings.TrimSpace(out) == "0" {
		t.Error("no event was checked")
	}
}
