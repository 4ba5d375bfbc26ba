package api

import "vitae/cmd/vitae/internal/keys"

// pastRoutes are those that explain and compare states.
func (s *Server) pastRoutes() []route {
	const base = "/v1/profiles/{profile}"
	out := []route{
		{method: "GET", path: base + "/blame", scope: keys.AuditRead, id: "getBlame", summary: "Say of every value who put it there",
			run: s.getBlame, reply: "BlameList", query: []string{"view", "field", "item", "at"}, fails: []int{404}},
		{method: "GET", path: base + "/diff", scope: keys.AuditRead, id: "getDiff", summary: "Compare two states of a profile, or two of its views",
			run: s.getDiff, reply: "DiffList", query: []string{"from", "to", "at", "view", "against"}, fails: []int{404}},
	}
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
	part := shape(object{"op": object{"type": "string", "enum": []any{"equal", "delete", "insert"}}, "text": text}, "op", "text")
	out["DiffList"] = pageOf(shape(object{"view": text, "field": nullable(text), "item": nullable(text),
		"op":   object{"type": "string", "enum": []any{"set", "clear", "put", "remove", "order", "created", "deleted", "bound"}},
		"from": object{}, "to": object{}, "words": arrayOf(shape(object{"pointer": text, "parts": arrayOf(part)}, "pointer", "parts"))},
		"view", "field", "item", "op", "from", "to"))
}
