package api

import "vitae/cmd/vitae/internal/keys"

// pastRoutes are those that explain and compare states.
func (s *Server) pastRoutes() []route {
	const base = "/v1/profiles/{profile}"
	out := []route{
		{method: "GET", path: base + "/blame", audited: true, scope: keys.AuditRead, id: "getBlame", summary: "Say of every value who put it there",
			run: s.getBlame, reply: "BlameList", query: []string{"view", "field", "item", "at"}, fails: []int{404}},
		{method: "GET", path: base + "/diff", audited: true, scope: keys.AuditRead, id: "getDiff", summary: "Compare two states of a profile, or two of its views",
			run: s.getDiff, reply: "DiffList", query: []string{"from", "to", "at", "view", "against"}, fails: []int{404}},
	}
	out = append(out, route{method: "POST", path: base + "/restore", scope: write, id: "restoreProfile", summary: "Make a profile, a view, a field or an item what it was: by new edits",
		run: s.postRestore, request: "Restore", reply: "Restored", query: []string{"dryRun"}, fails: []int{404}})
	for i := range out {
		out[i].profile, out[i].inPath = true, true
	}
	return tagged("audit", false, out)
}

func pastSchemas(out object) {
	text, number := object{"type": "string"}, object{"type": "integer"}
	out["BlameList"] = pageOf(shape(object{"view": text, "field": text, "item": nullable(text), "value": object{}, "seq": number, "time": text, "actor": text, "via": text,
		"previousSeq": nullable(number), "origin": text, "index": number, "id": text, "commit": text, "requestId": nullable(text), "reason": nullable(text), "hash": text},
		"view", "field", "item", "value", "seq", "time", "actor", "via"))
	out["Restore"] = object{"type": "object", "additionalProperties": false, "required": []string{"to"}, "properties": object{
		"to": object{"type": []any{"integer", "string"}, "description": "A sequence, or a time (RFC 3339)."}, "view": text, "field": text, "item": text}}
	flag := object{"type": "boolean"}
	out["Restored"] = shape(object{"success": flag, "updated": flag, "seq": number, "fields": arrayOf(text), "dryRun": flag,
		"kept":    arrayOf(shape(object{"view": text, "field": text, "why": text}, "view", "why")),
		"changes": arrayOf(shape(object{"view": text, "field": nullable(text), "item": nullable(text), "op": text}, "view", "op"))},
		"success", "updated", "seq", "fields")
	part := shape(object{"op": object{"type": "string", "enum": []any{"equal", "delete", "insert"}}, "text": text}, "op", "text")
	out["DiffList"] = pageOf(shape(object{"view": text, "field": nullable(text), "item": nullable(text),
		"op":   object{"type": "string", "enum": []any{"set", "clear", "put", "remove", "order", "created", "deleted", "bound"}},
		"from": object{}, "to": object{}, "words": arrayOf(shape(object{"pointer": text, "parts": arrayOf(part)}, "pointer", "parts"))},
		"view", "field", "item", "op", "from", "to"))
}
