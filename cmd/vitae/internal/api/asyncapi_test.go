package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitae/ledger"
)

var updateAsync = flag.Bool("update-asyncapi", false, "write asyncapi.json anew")

// dataOf is the type of an event's data.
func dataOf(kind string) any {
	switch {
	case kind == ledger.TypeProfileChanged:
		return ledger.Changed{}
	case strings.HasPrefix(kind, "vitae.delivery."):
		return ledger.Receipt{}
	}
	return ledger.LifeCycle{}
}

// schemaOf describes a struct's JSON form.
func schemaOf(v any) object {
	t := reflect.TypeOf(v)
	properties, required := object{}, []string{}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		one := object{"type": "string"}
		switch f := t.Field(i).Type; {
		case f.Kind() == reflect.Slice:
			one = object{"type": "array", "items": object{"type": "string"}}
		case f.Kind() == reflect.Uint64:
			one = object{"type": "integer", "minimum": 0}
		case f.Kind() == reflect.Array:
			one = object{"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"}
		}
		properties[name] = one
		if !strings.Contains(options, "omitempty") {
			required = append(required, name)
		}
	}
	switch v.(type) {
	case ledger.Changed:
		properties["values"] = object{"type": []string{"object", "null"}, "description": "On request only: the fields' values after the commit; null where the profile was erased since."}
	case ledger.LifeCycle:
		properties["values"] = object{"type": []string{"object", "null"}, "description": "On request only, of a resume that was created: what it has of its own."}
	}
	return object{"type": "object", "properties": properties, "required": required}
}

// asyncDocument is the AsyncAPI document.
func asyncDocument() object {
	messages, schemas := object{}, object{"CloudEvent": object{
		"type": "object", "required": []string{"specversion", "id", "source", "type", "time", "datacontenttype", "data"},
		"properties": object{
			"specversion": object{"const": "1.0"}, "id": object{"type": "string", "minLength": 1},
			"source": object{"type": "string", "pattern": "^urn:vitae:ledger:"}, "type": object{"type": "string"},
			"subject": object{"type": "string", "description": "The profile's id."}, "time": object{"type": "string", "format": "date-time"},
			"datacontenttype": object{"const": "application/json"}, "data": object{"type": "object"}},
		"additionalProperties": false}}
	headers := object{"type": "object", "properties": object{}, "required": []string{}}
	for _, name := range []string{"specversion", "id", "source", "type", "subject", "time", "datacontenttype"} {
		headers["properties"].(object)["ce-"+name] = object{"type": "string"}
		headers["required"] = append(headers["required"].([]string), "ce-"+name)
	}
	about := map[string]string{
		ledger.TypeProfileChanged:    "A commit touched a view of a profile: the shared one or a resume.",
		ledger.TypeProfileErased:     "A profile was erased: its values are gone for good.",
		ledger.TypeResumeCreated:     "A resume was made as a copy of another.",
		ledger.TypeResumeDeleted:     "A resume was deleted.",
		ledger.TypeDeliveryDelivered: "A provider has the edits.",
		ledger.TypeDeliveryParked:    "Edits wait for a person.",
		ledger.TypeDeliveryUncertain: "The outcome of a call to a provider is not known yet.",
		ledger.TypeDeliveryDrifted:   "A plan that was carried out found something else at the provider than the ledger wants there.",
	}
	var changed, delivery, all object = object{}, object{}, object{}
	for _, kind := range ledger.CloudEventTypes() {
		data := strings.TrimPrefix(reflect.TypeOf(dataOf(kind)).String(), "ledger.")
		schemas[data] = schemaOf(dataOf(kind))
		ref := object{"$ref": "#/components/messages/" + kind}
		messages[kind] = object{"name": kind, "title": about[kind], "contentType": "application/json", "headers": object{"$ref": "#/components/schemas/Headers"},
			"payload": object{"$ref": "#/components/schemas/" + data}}
		all[kind+".json"] = object{"$ref": "#/components/messages/" + kind + ".json"}
		messages[kind+".json"] = object{"name": kind, "title": about[kind], "contentType": ledger.CloudEventsMediaType,
			"payload": object{"allOf": []object{{"$ref": "#/components/schemas/CloudEvent"},
				{"properties": object{"type": object{"const": kind}, "data": object{"$ref": "#/components/schemas/" + data}}}}}}
		if strings.HasPrefix(kind, "vitae.delivery.") {
			delivery[kind] = ref
		} else {
			changed[kind] = ref
		}
	}
	schemas["Headers"] = headers
	schemas["Reset"] = object{"type": "object", "properties": object{"from": object{"type": "integer"}, "first": object{"type": "integer"}, "state": object{"type": "string"}},
		"required": []string{"from", "first", "state"}}
	messages["reset"] = object{"name": "reset", "title": "The reader has missed events that are not kept any more; data.state is where the state is, data.first the first event that there is.",
		"contentType": ledger.CloudEventsMediaType, "payload": object{"allOf": []object{{"$ref": "#/components/schemas/CloudEvent"},
			{"properties": object{"type": object{"const": "reset"}, "data": object{"$ref": "#/components/schemas/Reset"}}}}}}
	all["reset"] = object{"$ref": "#/components/messages/reset"}
	parameter := func(text string) object { return object{"description": text} }
	return object{
		"asyncapi": "3.0.0",
		"info": object{"title": "Vitae: what changes", "version": "1.0.0",
			"description": "One event for each commit and view that it touches, for each step in a life cycle, and for what becomes of deliveries. " +
				"An event's id is the same by whatever road and however often it comes. Events hold no values unless they are asked for."},
		"defaultContentType": "application/json",
		"servers": object{
			"http": object{"host": "127.0.0.1:8080", "protocol": "http", "security": []object{{"$ref": "#/components/securitySchemes/key"}}},
			"nats": object{"host": "127.0.0.1:4222", "protocol": "nats", "description": "JetStream, stream CHANGES, where it is switched on (nats_listen).",
				"security": []object{{"$ref": "#/components/securitySchemes/token"}}}},
		"channels": object{
			"changed": object{"address": "changed.{profile}.{view}", "servers": []object{{"$ref": "#/servers/nats"}}, "messages": changed,
				"parameters": object{"profile": parameter("The profile's id."), "view": parameter("shared for the profile itself, base or a resume's id.")}},
			"delivery": object{"address": "delivery.{provider}.{profile}", "servers": []object{{"$ref": "#/servers/nats"}}, "messages": delivery,
				"parameters": object{"provider": parameter("The provider's name."), "profile": parameter("The profile's id.")}},
			"events": object{"address": "/v1/events", "servers": []object{{"$ref": "#/servers/http"}}, "messages": all,
				"description": "Server-sent events: id is the event's sequence in stream CHANGES, event its type, data the event. Or JSON lines: {seq, event}."}},
		"operations": object{
			"followChanges":    object{"action": "send", "channel": object{"$ref": "#/channels/changed"}},
			"followDeliveries": object{"action": "send", "channel": object{"$ref": "#/channels/delivery"}},
			"followEvents":     object{"action": "send", "channel": object{"$ref": "#/channels/events"}}},
		"components": object{"messages": messages, "schemas": schemas, "securitySchemes": object{
			"key":   object{"type": "http", "scheme": "bearer", "description": "An API key with the scope events:read."},
			"token": object{"type": "userPassword", "description": "As token: an API key for all profiles with the scope events:read."}}},
	}
}

// TestAsyncAPI: the document that is served is the one that follows from the types, and its
// references lead somewhere.
func TestAsyncAPI(t *testing.T) {
	want, err := json.MarshalIndent(asyncDocument(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *updateAsync {
		if err := os.WriteFile("asyncapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, Config{})
	got := w.must(200, call{method: "GET", path: "/asyncapi.json"})
	if d := cmp.Diff(string(want), string(got.body)); !*updateAsync && d != "" {
		t.Errorf("go test ./cmd/vitae/internal/api -run AsyncAPI -update-asyncapi writes it anew (-want +got):\n%s", d)
	}
	var doc any
	if err := json.Unmarshal(want, &doc); err != nil {
		t.Fatal(err)
	}
	references := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				references++
				at := doc
				for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
					at = at.(map[string]any)[part]
					if at == nil {
						t.Fatalf("%s leads nowhere", ref)
					}
				}
			}
			for _, one := range v {
				walk(one)
			}
		case []any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(doc)
	if references < 30 {
		t.Errorf("%d references", references)
	}
}

// TestAsyncAPIFits: every example of an event has what its schema asks for, and nothing
// else.
func TestAsyncAPIFits(t *testing.T) {
	text, err := os.ReadFile("../../../../ledger/testdata/notices.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range bytes.Lines(text) {
		_, event, ok := bytes.Cut(line, []byte(" {"))
		if !ok {
			continue
		}
		e, err := ledger.ParseCloudEvent(append([]byte("{"), event...))
		if err != nil {
			t.Fatal(err)
		}
		var data map[string]any
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		schema := schemaOf(dataOf(e.Type))
		for _, name := range schema["required"].([]string) {
			if _, ok := data[name]; !ok {
				t.Errorf("%s lacks %s", event, name)
			}
		}
		for name := range data {
			if schema["properties"].(object)[name] == nil {
				t.Errorf("%s has %s", event, name)
			}
		}
		if !slices.Contains(ledger.CloudEventTypes(), e.Type) {
			t.Errorf("type %s", e.Type)
		}
		seen++
	}
	if seen < 8 {
		t.Errorf("%d events", seen)
	}
}
