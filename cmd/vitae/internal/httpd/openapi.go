package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"vitae/ledger"
)

// object is a JSON object that is written with sorted names: equal documents are equal
// bytes.
type object = map[string]any

// document makes the OpenAPI 3.1 document of the routes. The schemas of profiles and
// items come from the catalogue.
func document(routes []route, version string) ([]byte, error) {
	paths := object{}
	for _, rt := range routes {
		item, ok := paths[rt.path].(object)
		if !ok {
			item = object{}
			paths[rt.path] = item
		}
		item[strings.ToLower(rt.method)] = operation(rt)
	}
	return json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{"title": "Vitae", "version": version, "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"summary":     "A career profile as an append-only ledger.",
			"description": "Profiles, resumes, their history, keys, and the delivery of edits to the providers that hold copies."},
		"servers":  []any{object{"url": "/"}},
		"paths":    paths,
		"tags":     []any{object{"name": "profiles"}, object{"name": "audit"}, object{"name": "sinks"}, object{"name": "administration"}, object{"name": "server"}},
		"security": []any{object{"bearer": []any{}}, object{"apiKey": []any{}}},
		"components": object{
			"schemas": schemas(),
			"securitySchemes": object{
				"bearer": object{"type": "http", "scheme": "bearer"},
				"apiKey": object{"type": "apiKey", "in": "header", "name": "X-API-KEY"},
			},
		},
	}, "", "  ")
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func jsonBody(schema string) object { return object{"application/json": object{"schema": ref(schema)}} }

func operation(rt route) object {
	status := rt.status
	if status == 0 {
		status = http.StatusOK
	}
	answer := object{"description": http.StatusText(status)}
	if rt.out != "" {
		answer["content"] = jsonBody(rt.out)
	}
	op := object{"operationId": operationID(rt), "summary": rt.about, "tags": []any{tag(rt.path)},
		"responses": object{itoa(status): answer, "default": object{"description": "What is wrong, every field of it.",
			"content": object{"application/problem+json": object{"schema": ref("Problem")}}}}}
	if rt.open {
		op["security"] = []any{}
	} else if rt.scope != 0 {
		op["description"] = "Scope: " + strings.Join(rt.scope.Names(), " or ") + "."
	}
	if rt.in != "" {
		op["requestBody"] = object{"required": rt.path != "/v1/profiles", "content": jsonBody(rt.in)}
	}
	if rt.path == "/v1/files" {
		op["requestBody"] = object{"required": true, "content": object{"multipart/form-data": object{"schema": object{"type": "object",
			"properties": object{"file": object{"type": "string", "format": "binary"}}}}}}
	}
	if ps := parameters(rt); len(ps) > 0 {
		op["parameters"] = ps
	}
	return op
}

// operationID is the method and the words of the path: getV1ProfilesProfileHistory.
func operationID(rt route) string {
	id := strings.ToLower(rt.method)
	for _, part := range strings.FieldsFunc(rt.path, func(c rune) bool { return strings.ContainsRune("/{}.", c) }) {
		id += strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

func tag(path string) string {
	switch {
	case !strings.HasPrefix(path, "/v1/"):
		return "server"
	case strings.HasSuffix(path, "/history"):
		return "audit"
	case strings.Contains(path, "/sinks") || strings.Contains(path, "/connections"):
		return "sinks"
	case strings.HasPrefix(path, "/v1/keys"), strings.HasPrefix(path, "/v1/views"), strings.HasPrefix(path, "/v1/fsck"), strings.HasPrefix(path, "/v1/tasks"), strings.HasPrefix(path, "/v1/fields"):
		return "administration"
	}
	return "profiles"
}

func parameters(rt route) []any {
	var out []any
	add := func(in, name, about string, required bool, schema object) {
		out = append(out, object{"in": in, "name": name, "description": about, "required": required, "schema": schema})
	}
	text := object{"type": "string"}
	for _, part := range strings.Split(rt.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			add("path", name, "The "+name+".", true, text)
		}
	}
	if rt.at {
		add("query", "at", "A sequence, or a time in RFC 3339: the state then.", false, text)
	}
	if strings.HasSuffix(rt.path, "/history") {
		for _, name := range []string{"view", "field", "actor", "via"} {
			add("query", name, "Only events with this "+name+".", false, text)
		}
		add("query", "after", "A cursor from next, or a sequence.", false, text)
		add("query", "limit", "How many events at most.", false, object{"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})
	}
	if rt.profile && !strings.Contains(rt.path, "{profile}") {
		add("header", "X-Vitae-Profile", "The profile, where the key is for all profiles.", false, text)
	}
	if rt.method != http.MethodGet && !rt.open {
		add("query", "dryRun", "Decide and answer, and change nothing.", false, object{"type": "boolean"})
		add("header", "X-Vitae-Reason", "Why; it stands in the history.", false, text)
	}
	if rt.method == http.MethodPost || rt.method == http.MethodPatch {
		add("header", "Idempotency-Key", "The same request under the same key has one effect, for 24 hours.", false, text)
	}
	if rt.method == http.MethodPatch {
		add("header", "If-Match", "The version that the change was decided on.", false, text)
	}
	return out
}

// schemas are the components. What a reply may gain later is not closed.
func schemas() object {
	text, number, flag := object{"type": "string"}, object{"type": "integer"}, object{"type": "boolean"}
	shape := func(properties object, required ...string) object {
		o := object{"type": "object", "properties": properties}
		if len(required) > 0 {
			o["required"] = required
		}
		return o
	}
	of := func(item object) object { return object{"type": "array", "items": item} }
	page := func(item object) object {
		return shape(object{"data": of(item), "next": object{"type": []any{"string", "null"}}}, "data", "next")
	}
	data := func(item object) object { return shape(object{"data": item}, "data") }
	nullable := func(o object) object { return object{"anyOf": []any{o, object{"type": "null"}}} }
	out := object{
		"Problem": shape(object{"type": text, "title": text, "status": number, "detail": text, "instance": text, "code": text,
			"errors": of(shape(object{"pointer": text, "code": text, "message": text}, "pointer", "code", "message"))}, "type", "title", "status"),
		"Changed":      shape(object{"success": flag, "updated": flag, "seq": number, "fields": of(text)}, "success", "updated", "seq", "fields"),
		"Created":      data(shape(object{"id": text}, "id")),
		"Made":         shape(object{"success": flag, "id": text}, "success", "id"),
		"Success":      shape(object{"success": flag}, "success"),
		"Receipt":      shape(object{"success": flag, "receipt": object{"type": "object"}}, "success", "receipt"),
		"ProfileReply": shape(object{"data": ref("Profile"), "id": text, "seq": number}, "data"),
		"ResumeHead":   shape(object{"id": text, "name": text, "isDefault": flag, "createdAt": text, "updatedAt": text}, "id", "name", "isDefault"),
		"ResumeList":   page(ref("ResumeHead")),
		"ResumeReply":  data(object{"allOf": []any{ref("ResumeHead"), ref("Profile")}}),
		"File":         data(shape(object{"file": text, "mediaType": text, "size": number}, "file", "mediaType", "size")),
		"Item":         data(object{"type": "object"}),
		"ItemList":     page(object{"type": "object"}),
		"Event": shape(object{"seq": number, "index": number, "id": text, "commit": text, "profile": text, "view": text, "field": nullable(text), "item": nullable(text),
			"op":    object{"type": "string", "enum": []any{"set", "clear", "put", "remove", "order", "created", "copied", "deleted", "bound", "erased"}},
			"value": object{}, "previous": object{}, "typed": object{}, "actor": text, "via": text, "requestId": nullable(text), "reason": nullable(text), "time": text, "prev": text, "hash": text, "erased": flag},
			"seq", "index", "id", "commit", "profile", "view", "op", "actor", "via", "time", "prev", "hash"),
		"History":         page(ref("Event")),
		"NewKey":          shape(object{"name": text, "profile": text, "scopes": of(text)}, "profile", "scopes"),
		"Key":             shape(object{"id": text, "key": text, "name": text, "profile": text, "scopes": of(text), "createdAt": text, "lastUsedAt": nullable(text), "revokedAt": nullable(text)}, "id", "name", "profile", "scopes"),
		"KeyReply":        data(ref("Key")),
		"KeyList":         page(ref("Key")),
		"NewConnection":   shape(object{"account": text, "credential": text, "settings": shape(object{"resume": text})}),
		"Connection":      shape(object{"provider": text, "account": text, "state": text, "acknowledgedSeq": number, "headSeq": number, "lanes": of(object{"type": "object"})}, "provider", "state", "lanes"),
		"ConnectionList":  page(ref("Connection")),
		"ConnectionReply": data(ref("Connection")),
		"Sink":            shape(object{"name": text, "state": text, "lagEvents": number, "freshnessSeconds": object{"type": "number"}, "lanes": object{"type": "object"}, "calls": number, "skippedUnchanged": number, "parked": number, "uncertain": number}, "name", "state"),
		"SinkList":        page(ref("Sink")),
		"ParkedList":      page(object{"type": "object"}),
		"Decision":        shape(object{"action": object{"type": "string", "enum": []any{"retry", "mark_done", "skip", "recreate"}}, "reason": text}, "action"),
		"FieldList":       page(object{"type": "object"}),
		"ViewList":        page(shape(object{"name": text, "state": text, "position": number, "head": number, "lag": number}, "name", "state", "position", "head", "lag")),
		"TaskReply":       data(shape(object{"id": text, "name": text, "state": object{"type": "string", "enum": []any{"running", "done", "failed"}}, "done": number, "total": number, "error": text, "result": object{}}, "id", "state")),
	}
	catalogue(out)
	return out
}

// catalogue adds the schemas of the profile, of a resume and of every collection's items.
func catalogue(out object) {
	profile, resume := object{}, object{"name": object{"type": "string", "maxLength": 200}}
	providers := map[string]object{}
	for _, f := range ledger.Catalogue() {
		if f.Hidden {
			continue
		}
		s := fieldSchema(f)
		switch {
		case f.Provider != "":
			nest(providers, f.Provider, strings.Split(strings.TrimPrefix(f.Name, f.Provider+"."), "."), s)
		default:
			profile[f.Name] = s
			if f.IsList() && f.View != ledger.Shared {
				resume[f.Name] = s
			}
		}
		if f.IsList() && f.Provider == "" {
			out[f.Name] = members(f.Item)
		}
	}
	for name, o := range providers {
		profile[name] = o
	}
	out["Profile"] = object{"type": "object", "properties": profile,
		"patternProperties": object{"^[A-Za-z]+@[a-z]{2,3}_[A-Z]{2}$": object{"type": []any{"string", "null"}}}}
	out["Resume"] = object{"type": "object", "properties": resume}
}

// nest puts a provider's field at its path of objects. A name that ends in a dot stands
// for fields that are named by a uuid.
func nest(into map[string]object, provider string, path []string, schema object) {
	o := into[provider]
	if o == nil {
		o = object{"type": "object", "properties": object{}}
		into[provider] = o
	}
	for i, name := range path {
		properties, _ := o["properties"].(object)
		switch {
		case name == "":
			o["additionalProperties"] = schema
			return
		case i == len(path)-1:
			properties[name] = schema
			return
		}
		next, ok := properties[name].(object)
		if !ok {
			next = object{"type": "object", "properties": object{}}
			properties[name] = next
		}
		o = next
	}
}

func fieldSchema(f ledger.Field) object {
	if f.IsList() {
		return object{"type": "array", "maxItems": f.Max, "items": ref(itemSchema(f))}
	}
	s := kindSchema(f.Kind, f.Min, f.Max, f.Enum, f.Item)
	if f.Clearable {
		return object{"anyOf": []any{s, object{"type": "null"}}}
	}
	return s
}

func itemSchema(f ledger.Field) string { return f.Name }

func members(all []ledger.Member) object {
	properties, required := object{}, []string{}
	for _, m := range all {
		properties[m.Name] = kindSchema(m.Kind, m.Min, m.Max, m.Enum, m.Members)
		if m.Required && m.With[0] == "" {
			required = append(required, m.Name)
		}
	}
	o := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

// kindSchema says what JSON a kind takes. Lengths count code points after NFC, which
// JSON Schema's maxLength is close to and not the same as.
func kindSchema(kind ledger.Kind, least, most int, enum []string, inner []ledger.Member) object {
	s := object{"type": "string"}
	switch kind {
	case ledger.KindBool:
		return object{"type": "boolean"}
	case ledger.KindNumber:
		return object{"type": "number"}
	case ledger.KindInteger:
		return object{"type": "integer", "minimum": 1}
	case ledger.KindTexts:
		item := object{"type": "string"}
		if enum != nil {
			item["enum"] = enum
		}
		return object{"type": "array", "items": item}
	case ledger.KindIDs:
		return object{"type": "array", "uniqueItems": true, "items": object{"type": []any{"string", "integer"}}}
	case ledger.KindObject:
		return members(inner)
	case ledger.KindObjects, ledger.KindList:
		return object{"type": "array", "items": members(inner)}
	case ledger.KindMap:
		return object{"type": "object", "additionalProperties": members(inner)}
	case ledger.KindAny:
		return object{"type": "object"}
	case ledger.KindEmail:
		s["format"] = "email"
	case ledger.KindDay:
		s["format"] = "date"
	case ledger.KindUUID:
		s["format"] = "uuid"
	}
	if enum != nil {
		s["enum"] = enum
	}
	if s["minLength"] = max(least, 1); most > 0 {
		s["maxLength"] = most
	}
	return s
}

func (s *Server) getOpenAPI(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-cache")
	s.raw(w, r, http.StatusOK, s.openapi)
	return nil
}
