package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// object is a JSON object that is written with sorted names: equal documents are equal
// bytes.
type object = map[string]any

// apiVersion is the version of what the API promises, not of the program.
const apiVersion = "1.0.0"

// document makes the OpenAPI 3.1 document of the routes. The schemas of profiles and
// items come from the catalogue.
func document(routes []route) ([]byte, error) {
	paths, tags := object{}, []any{}
	seen := map[string]bool{}
	for i := range routes {
		rt := &routes[i]
		item, ok := paths[documented(rt.path)].(object)
		if !ok {
			item = object{}
			paths[documented(rt.path)] = item
		}
		item[strings.ToLower(rt.method)] = operation(rt)
		if !seen[rt.tag] {
			seen[rt.tag] = true
			tags = append(tags, object{"name": rt.tag})
		}
	}
	return json.Marshal(object{
		"openapi": "3.1.0",
		"info": object{"title": "Vitae", "version": apiVersion,
			"contact":     object{"name": "Whoever runs this server"},
			"summary":     "A career profile as an append-only ledger.",
			"description": "Profiles, resumes, their history, keys, and the delivery of edits to the providers that hold copies."},
		"servers":  []any{object{"url": "/"}},
		"paths":    paths,
		"tags":     tags,
		"security": keySecurity(),
		"components": object{
			"schemas":    schemas(),
			"parameters": parameters(),
			"headers":    headers(),
			"securitySchemes": object{
				"bearer": object{"type": "http", "scheme": "bearer", "description": "An API key."},
				"apiKey": object{"type": "apiKey", "in": "header", "name": "X-API-KEY", "description": "An API key."},
			},
		},
	})
}

// documented is a route's path as OpenAPI writes it: a parameter that takes the rest of the
// path is one like any other there.
func documented(path string) string { return strings.ReplaceAll(path, "...}", "}") }

func keySecurity() []any { return []any{object{"bearer": []any{}}, object{"apiKey": []any{}}} }

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func operation(rt *route) object {
	op := object{"operationId": rt.id, "summary": rt.summary, "tags": []any{rt.tag}, "responses": responses(rt), "security": keySecurity()}
	if rt.open {
		op["security"] = []any{}
	}
	op["description"] = needs(rt)
	switch {
	case rt.request == "file":
		op["requestBody"] = object{"required": true, "content": object{"multipart/form-data": object{"schema": object{"type": "object",
			"properties": object{"file": object{"type": "string", "contentMediaType": "application/octet-stream"}}, "required": []string{"file"}}}}}
	case rt.request == "bytes":
		op["requestBody"] = object{"required": true, "content": object{"application/octet-stream": object{}}}
	case strings.HasPrefix(rt.request, "form:"):
		op["requestBody"] = object{"required": true, "content": object{"multipart/form-data": object{"schema": ref(strings.TrimPrefix(rt.request, "form:"))}}}
	case rt.request != "":
		content := object{"application/json": object{"schema": ref(rt.request)}}
		if rt.method == http.MethodPatch {
			content["application/merge-patch+json"] = object{"schema": ref(rt.request)}
		}
		op["requestBody"] = object{"required": !rt.optional, "content": content}
	}
	var ps []any
	components := parameters()
	for _, name := range parametersOf(rt) {
		// A parameter that means something of its own here has a component of its own.
		if own := rt.id + "." + name; components[own] != nil {
			name = own
		}
		ps = append(ps, object{"$ref": "#/components/parameters/" + name})
	}
	for part := range strings.SplitSeq(documented(rt.path), "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			ps = append(ps, object{"in": "path", "name": name, "required": true, "schema": object{"type": "string"}})
		}
	}
	if ps != nil {
		op["parameters"] = ps
	}
	return op
}

// needs says which keys a route takes.
func needs(rt *route) string {
	switch {
	case rt.open:
		return "Open: it needs no key."
	case rt.scope == 0:
		return "Any key will do."
	}
	text := "Needs the scope " + strings.Join(rt.scope.Names(), " or ")
	if rt.own != 0 {
		text += ", or " + strings.Join(rt.own.Names(), " or ") + " with the profile's own key"
	}
	if rt.all {
		text += ", on all profiles"
	}
	return text + "."
}

// parametersOf names the parameters of a route besides those in its path.
func parametersOf(rt *route) []string {
	out := slices.Clone(rt.query)
	if rt.open {
		return out
	}
	if rt.profile && !rt.inPath {
		out = append(out, "X-Vitae-Profile")
	}
	switch rt.method {
	case http.MethodGet:
		if slices.Contains(rt.query, "at") {
			out = append(out, "If-None-Match")
		}
	case http.MethodPost, http.MethodPatch:
		out = append(out, "Idempotency-Key")
	}
	if rt.method != http.MethodGet && rt.profile {
		out = append(out, "X-Vitae-Reason", "If-Match")
	}
	return append(out, "X-Request-Id")
}

func responses(rt *route) object {
	status := rt.status
	if status == 0 {
		status = http.StatusOK
	}
	answer := object{"description": http.StatusText(status)}
	switch {
	case strings.Contains(rt.reply, "/"):
		answer["content"] = object{rt.reply: object{}}
	case rt.reply != "":
		answer["content"] = object{"application/json": object{"schema": ref(rt.reply)}}
	}
	out := object{strconv.Itoa(status): answer}
	if rt.open {
		answer["headers"] = headersOf("X-Request-Id")
	} else {
		answer["headers"] = headersOf("X-Request-Id", "RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
	}
	for _, status := range failures(rt) {
		content := object{"application/problem+json": object{"schema": ref("Problem")}}
		switch {
		case rt.dialect != nil: // in the provider's own form
			content = object{"application/json": object{}}
		case rt.mokaru:
			content["application/json"] = object{"schema": ref("MokaruError")}
		}
		one := object{"description": http.StatusText(status), "content": content, "headers": headersOf("X-Request-Id")}
		switch {
		case status == http.StatusNotModified:
			delete(one, "content")
		case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
			one["headers"] = headersOf("X-Request-Id", "Retry-After")
		}
		if rt.path == "/readyz" {
			one["content"] = object{"text/plain": object{}}
		}
		out[strconv.Itoa(status)] = one
	}
	return out
}

// failures lists the statuses, besides success, that a route can answer.
func failures(rt *route) []int {
	out := slices.Clone(rt.fails)
	if rt.open {
		return out
	}
	out = append(out, 401, 429, 500, 503)
	if rt.scope != 0 {
		out = append(out, 403)
	}
	if rt.profile {
		out = append(out, 400, 404, 410)
	}
	if slices.Contains(rt.query, "at") {
		out = append(out, 304)
	}
	if rt.request != "" {
		out = append(out, 400, 413, 415)
	}
	switch rt.method {
	case http.MethodPost, http.MethodPatch:
		out = append(out, 400, 409, 422)
	}
	if rt.method != http.MethodGet && rt.profile {
		out = append(out, 409, 412, 504, 507)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func headersOf(names ...string) object {
	out := object{}
	for _, name := range names {
		out[name] = object{"$ref": "#/components/headers/" + name}
	}
	return out
}

// headers are the reply headers that many routes share.
func headers() object {
	header := func(about, kind string) object {
		return object{"description": about, "schema": object{"type": kind}}
	}
	return object{
		"X-Request-Id":          header("The caller's id of the request, or one drawn for it.", "string"),
		"RateLimit":             header("What is left of the limit, and seconds until there is more. Absent without a limit.", "string"),
		"RateLimit-Policy":      header("The limit and its window in seconds. Absent without a limit.", "string"),
		"X-RateLimit-Limit":     header("Requests a minute. Absent without a limit.", "integer"),
		"X-RateLimit-Remaining": header("Requests left. Absent without a limit.", "integer"),
		"X-RateLimit-Reset":     header("When there is more, in milliseconds since 1970. Absent without a limit.", "integer"),
		"Retry-After":           header("Seconds to wait.", "integer"),
	}
}

// parameters are the parameters that routes name.
func parameters() object {
	parameter := func(in, name, about string, schema object) object {
		return object{"in": in, "name": name, "description": about, "schema": schema}
	}
	text := object{"type": "string"}
	out := object{}
	for _, p := range []object{
		parameter("query", "at", "A sequence, or a time (RFC 3339): the state then.", text),
		parameter("query", "repair", "Make projections and files of the transparency log anew that differ from the ledger; nothing else is ever repaired.", object{"type": "boolean"}),
		parameter("query", "dryRun", "Decide and answer, and change nothing.", object{"type": "boolean"}),
		parameter("query", "view", "Only this view: shared, base or a resume's id.", text),
		parameter("query", "field", "Only this field, with its locale variants unless one is named.", text),
		parameter("query", "item", "Only this item, or this provider's connection.", text),
		parameter("query", "op", "Only events that did this.", text),
		parameter("query", "requestId", "Only edits of this request.", text),
		parameter("query", "reason", "Only edits whose reason holds this text.", text),
		parameter("query", "from", "A sequence, or a time (RFC 3339): from then on; of a diff, the older state.", text),
		parameter("query", "to", "A sequence, or a time (RFC 3339): up to then; of a diff, the newer state.", text),
		parameter("query", "against", "Compare view with this view: two resumes, at from and to, or both at one moment.", text),
		parameter("query", "actor", "Only edits by this actor.", text),
		parameter("query", "via", "Only edits that came this way.", text),
		parameter("query", "after", "Go on behind this cursor, from next.", text),
		parameter("query", "limit", "At most so many.", object{"type": "integer", "minimum": 1}),
		parameter("query", "offset", "Leave out so many.", object{"type": "integer", "minimum": 0}),
		parameter("query", "code", "Only edits parked with this code.", text),
		parameter("query", "entity", "Only this entity, or the items of this section.", text),
		parameter("query", "sink", "Only deliveries to this provider.", text),
		parameter("query", "attempt", "Only this attempt.", text),
		parameter("query", "class", "Only edits of this class.", object{"type": "string", "enum": []any{"A", "B", "C", "D", "E", "F"}}),
		parameter("query", "profile", "Only this profile's.", text),
		parameter("query", "before", "Only what is so since before this time (RFC 3339).", object{"type": "string", "format": "date-time"}),
		parameter("query", "where", "Which ones, as JSON.", text),
		parameter("query", "orderBy", "In which order, as JSON.", text),
		parameter("query", "_resource", "What the page is about.", object{"const": "Coworker"}),
		parameter("query", "account_id", "The account at the provider that the profile is connected to, or the profile's id.", text),
		parameter("query", "linkedin_sections", "Sections to show, parted by commas: experience, education, skills or *; with _preview behind, the first entries.", text),
		parameter("query", "fields", "Only these members, parted by commas.", text),
		parameter("query", "format", "Which format to write.", object{"type": "string", "enum": []any{"jsonresume", "vcard", "html"}}),
		parameter("query", "mode", "What becomes of items that the file does not have: merge keeps them, replace takes them away.", object{"type": "string", "enum": []any{"merge", "replace"}}),
		parameter("query", "action", "What to do.", object{"const": "registerUpload"}),
		parameter("query", "m", "The secret of the upload, as its URL has it.", text),
		parameter("query", "exclude", "A check that does not count.", text),
		parameter("query", "from", "Begin with this event; without it, with the next one.", object{"type": "integer", "minimum": 0}),
		parameter("query", "follow", "false: end with the last event there is.", object{"type": "boolean"}),
		parameter("query", "format", "Server-sent events, or one JSON object a line: {seq, event}.", object{"enum": []any{"sse", "jsonl"}}),
		parameter("query", "type", "Only events of this type; it may be given several times.", text),
		parameter("query", "values", "With the values of the fields that changed. Needs the scope values:read.", object{"type": "boolean"}),
		parameter("header", "Last-Event-ID", "The last event that the caller has: begin behind it. It wins over from.", text),
		parameter("header", "X-Vitae-Profile", "The profile, where the key is for all profiles.", text),
		parameter("header", "X-Vitae-Reason", "Why; kept with the edit.", object{"type": "string", "maxLength": maxReason}),
		parameter("header", "If-Match", "The version that the change was decided on.", text),
		parameter("header", "If-None-Match", "The version that the caller has.", text),
		parameter("header", "Idempotency-Key", "The same request under the same key has one effect, for 24 hours.", object{"type": "string", "minLength": 1, "maxLength": 255}),
		parameter("header", "X-Request-Id", "The caller's id of the request: printable ASCII without space.", object{"type": "string", "maxLength": 128}),
	} {
		out[p["name"].(string)] = p
	}
	logParameters(out)
	evidenceParameters(out)
	return out
}
