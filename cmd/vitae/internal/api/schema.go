package api

import (
	"slices"
	"strings"

	"vitae/ledger"
)

func shape(properties object, required ...string) object {
	o := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

func arrayOf(item object) object { return object{"type": "array", "items": item} }

func pageOf(item object) object {
	return shape(object{"data": arrayOf(item), "next": object{"type": []any{"string", "null"}}}, "data", "next")
}

func nullable(o object) object { return object{"anyOf": []any{o, object{"type": "null"}}} }

// schemas are the components. What a reply may gain later is not closed.
func schemas() object {
	text, number, flag := object{"type": "string"}, object{"type": "integer"}, object{"type": "boolean"}
	of, page := arrayOf, pageOf
	data := func(item object) object { return shape(object{"data": item}, "data") }
	out := object{
		"Problem": shape(object{"type": text, "title": text, "status": number, "detail": text, "instance": text, "code": text,
			"errors": of(shape(object{"pointer": text, "code": text, "message": text}, "pointer", "code", "message"))}, "type", "title", "status"),
		"Edited":       shape(object{"success": flag, "updated": flag, "seq": number, "fields": of(text)}, "success", "updated", "seq", "fields"),
		"Created":      data(shape(object{"id": text}, "id")),
		"Made":         shape(object{"success": flag, "id": text}, "success", "id"),
		"Success":      shape(object{"success": flag}, "success"),
		"Erased":       erasedSchema(),
		"Cleared":      clearedSchema(),
		"ProfileReply": shape(object{"data": ref("Profile"), "id": text, "seq": number}, "data"),
		"ResumeHead":   shape(object{"id": text, "name": text, "isDefault": flag, "createdAt": text, "updatedAt": text}, "id", "name", "isDefault"),
		"ResumeList":   page(ref("ResumeHead")),
		"ResumeReply":  data(object{"allOf": []any{ref("ResumeHead"), ref("Profile")}}),
		"FileReply":    data(shape(object{"file": text, "mediaType": text, "size": number}, "file", "mediaType", "size")),
		"ItemReply":    data(object{"type": "object"}),
		"ItemList":     page(object{"type": "object"}),
		"Event": shape(object{"seq": number, "index": number, "id": text, "commit": text, "profile": text, "view": text, "field": nullable(text), "item": nullable(text),
			"op":    object{"type": "string", "enum": []any{"set", "clear", "put", "remove", "order", "created", "copied", "deleted", "bound", "erased", "decided"}},
			"value": object{}, "previous": object{}, "typed": object{}, "actor": text, "via": text, "requestId": nullable(text), "reason": nullable(text), "time": text, "prev": text, "hash": text, "erased": flag},
			"seq", "index", "id", "commit", "profile", "view", "op", "actor", "via", "time", "prev", "hash"),
		"EventList": page(ref("Event")),
		"Delivery": object{"anyOf": []any{
			shape(object{"pos": number, "at": text, "sink": text, "profile": text, "entity": text, "class": text, "event": text, "from": text, "to": text,
				"end": text, "fromSeq": number, "toSeq": number, "attempt": text, "epoch": number, "verb": text, "step": text,
				"sent": object{"type": "string", "enum": []any{"no", "yes", "unknown"}}, "http": number, "type": text, "message": text, "providerRef": text, "verify": text,
				"decision": shape(object{"actor": text, "seq": number}, "actor", "seq")},
				"pos", "at", "sink", "profile", "entity", "class", "event", "from", "to", "fromSeq", "toSeq", "epoch", "verb"),
			shape(object{"pos": number, "at": text, "event": object{"const": "gap"},
				"gap": shape(object{"from": number, "to": number, "why": text}, "from", "to", "why")}, "pos", "at", "event", "gap")}},
		"DeliveryList":  page(ref("Delivery")),
		"KeyNew":        shape(object{"name": text, "profile": text, "scopes": of(text)}, "profile", "scopes"),
		"Key":           shape(object{"id": text, "key": text, "name": text, "profile": text, "scopes": of(text), "createdAt": text, "lastUsedAt": nullable(text), "revokedAt": nullable(text)}, "id", "name", "profile", "scopes"),
		"KeyMade":       data(ref("Key")),
		"KeyList":       page(ref("Key")),
		"ConnectionNew": shape(object{"account": text, "credential": text, "settings": shape(object{"resume": text})}),
		"Connection": shape(object{"provider": text, "account": text, "state": text, "acknowledgedSeq": number, "headSeq": number, "lanes": of(object{"type": "object"}),
			"password": shape(object{"state": text, "since": text, "reason": text}, "state", "since")}, "provider", "state", "lanes"),
		"ConnectionList":  page(ref("Connection")),
		"ConnectionReply": data(ref("Connection")),
		"Connected":       shape(object{"success": flag, "updated": flag, "seq": number, "fields": of(text), "provider": text}, "success", "updated", "seq", "provider"),
		"ProfileList":     page(shape(object{"id": text}, "id")),
		"MokaruError":     shape(object{"error": text, "code": text, "details": of(shape(object{"pointer": text, "code": text, "message": text}, "pointer", "code", "message"))}, "error", "code"),
		"FieldList":       page(object{"type": "object"}),
		"SchemaList":      page(shape(object{"type": text, "schema": text}, "type", "schema")),
		"ViewList":        page(shape(object{"name": text, "state": text, "position": number, "head": number, "lag": number}, "name", "state", "position", "head", "lag")),
		"TaskReply":       data(shape(object{"id": text, "name": text, "state": object{"type": "string", "enum": []any{"running", "done", "failed", "cancelled", "interrupted"}}, "done": number, "total": number, "parked": number, "moved": number, "error": text, "result": object{}}, "id", "state")),
	}
	catalogue(out)
	sinkSchemas(out)
	logSchemas(out)
	formatSchemas(out)
	webhookSchemas(out)
	backupSchemas(out)
	postPressSchemas(out)
	nexudusSchemas(out)
	jarviSchemas(out)
	linkedInSchemas(out)
	pastSchemas(out)
	accessSchemas(out)
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
			item := members(f.Item)
			item["properties"].(object)["id"] = object{"type": "string", "maxLength": ledger.MaxID}
			out[itemSchema(f)] = item
			if slices.ContainsFunc(itemPaths(), func(p itemPath) bool { return p.schema == f.Name }) {
				out[itemSchema(f)+".patch"] = object{"type": "object", "minProperties": 1, "properties": readable(item["properties"].(object))}
			}
		}
	}
	for name, o := range providers {
		profile[name] = o
	}
	out["ProfilePatch"] = object{"type": "object", "minProperties": 1, "additionalProperties": false, "properties": profile,
		"patternProperties": object{"^[A-Za-z]+@[a-z]{2,3}_[A-Z]{2}$": object{"type": []any{"string", "null"}}}}
	out["Profile"] = object{"type": "object", "properties": readable(profile), "description": "Every native scalar (null when unset) and collection, and what is set of the providers' own fields."}
	out["ResumePatch"] = object{"type": "object", "minProperties": 1, "additionalProperties": false, "properties": resume}
	out["ResumeNew"] = object{"type": "object", "additionalProperties": false, "properties": resume, "required": []string{"name"}}
}

// readable is a profile's properties as they are read: scalars that are not set are null.
func readable(properties object) object {
	out := object{}
	for name, v := range properties {
		schema := v.(object)
		if kind, ok := schema["type"].(string); ok && kind != "array" && kind != "object" {
			schema = object{"anyOf": []any{schema, object{"type": "null"}}}
		}
		out[name] = schema
	}
	return out
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

func itemSchema(f ledger.Field) string { return "Item." + f.Name }

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
