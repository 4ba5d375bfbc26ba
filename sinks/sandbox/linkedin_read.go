package sandbox

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// linkedinFlat are the fields of GET /v2/me that have a text in one locale only, with the
// fields that they are taken from.
var linkedinFlat = map[string]string{
	"localizedFirstName": "firstName", "localizedLastName": "lastName", "localizedHeadline": "headline",
}

// read answers with what is set of the profile. me is for GET /v2/me, with no person.
func (l linkedIn) read(s *Server, a *account, r *http.Request, person string, me bool) reply {
	if refused, ok := linkedinMethod(r, http.MethodGet); !ok {
		return refused
	}
	fields, message := linkedinAsked(r.URL.RawQuery, me)
	if message != "" {
		return linkedinRefusal(http.StatusBadRequest, message)
	}
	if me {
		a.mu.Lock()
		person = linkedinPerson(a, "P"+a.id.digest[8:17])
		a.mu.Unlock()
	}
	data := linkedinRead(s.view(a))
	data["id"] = person
	if me {
		for flat, field := range linkedinFlat {
			if text, ok := linkedinOneLocale(data[field]); ok {
				data[flat] = text
			}
		}
	}
	if fields != nil {
		maps.DeleteFunc(data, func(name string, _ any) bool { return !slices.Contains(fields, name) })
	}
	return reply{status: http.StatusOK, body: data}
}

// linkedinAsked are the fields in a query, nil for all, or says what is wrong with it.
func linkedinAsked(query string, me bool) (fields []string, message string) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, "The query is malformed"
	}
	for name := range values {
		if name != "fields" || len(values[name]) > 1 {
			return nil, "The query may only have fields, once"
		}
	}
	if len(values) == 0 {
		return nil, ""
	}
	fields = strings.Split(values.Get("fields"), ",")
	for _, name := range fields {
		_, isFlat := linkedinFlat[name]
		if !(name == "id" || linkedinKept(name, nil) || me && isFlat) {
			return nil, "fields has a name that is not a field"
		}
	}
	return fields, ""
}

// linkedinRead is the profile as it is shown: sections in their order, patents with the
// fields of their kind. The values that it shares with the state are not changed.
func linkedinRead(state map[string]any) map[string]any {
	data := map[string]any{}
	for name, v := range state {
		list, _ := v.([]any)
		switch _, isSection := linkedinSections[name]; {
		case name == "assets":
		case name == "patents":
			data[name] = linkedinShown(linkedinInOrder(state, name, list))
		case isSection:
			data[name] = linkedinInOrder(state, name, list)
		default:
			data[name] = v
		}
	}
	return data
}

// linkedinInOrder is a section in the order that the profile gives it.
func linkedinInOrder(state map[string]any, section string, list []any) []any {
	order, _ := state[section+"Order"].([]any)
	place := func(v any) int {
		entity, _ := v.(map[string]any)
		id, _ := entity["id"].(json.Number)
		if i := slices.Index(order, any(id)); i >= 0 {
			return i
		}
		return len(order)
	}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b any) int { return place(a) - place(b) })
	return sorted
}

// linkedinShown is patents without the fields that are not for their kind. It changes the
// list and none of the patents.
func linkedinShown(patents []any) []any {
	for i, v := range patents {
		patent, _ := v.(map[string]any)
		patent = maps.Clone(patent)
		for _, name := range linkedinHidden(patent["pending"]) {
			delete(patent, name)
		}
		patents[i] = patent
	}
	return patents
}

// linkedinOneLocale is the text of a MultiLocaleString in the locale that it prefers, or
// in the first one.
func linkedinOneLocale(v any) (text string, ok bool) {
	value, _ := v.(map[string]any)
	localized, _ := value["localized"].(map[string]any)
	keys := linkedinLocales(v)
	if len(keys) == 0 {
		return "", false
	}
	key := linkedinPreferred(value)
	if key == "" {
		key = keys[0]
	}
	text, ok = localized[key].(string)
	return text, ok
}
