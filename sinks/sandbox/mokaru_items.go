package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Mokaru's work experiences, education and skills are lists of items with ids, each list
// with a path of its own. A state has them under the last part of the path, as []any of
// map[string]any that is not empty, in the order in which they were created. An item has
// its id and what is set; isCurrent is always set, and an empty list of texts never.

// itemKind is one of the lists.
type itemKind struct {
	name    string // the last part of its path, and the key in the state
	noun    string
	members map[string]itemMember
	profile string   // the member of the profile that shows the list
	shown   []string // the members of an item that are shown there
}

// itemMember is the rule of one member of an item.
type itemMember struct {
	form     int
	required bool // and not empty
	fixed    bool // null is refused
	max      int  // in code points of the NFC form; 0 when none is stated
	oneOf    []string
}

// The forms of members.
const (
	formText = iota
	formDate // a date: YYYY, YYYY-MM or YYYY-MM-DD
	formBool
	formTexts // a list of texts
)

var mokaruItemKinds = []itemKind{
	{"experiences", "Experience", map[string]itemMember{
		"jobTitle": {required: true, fixed: true, max: 200}, "company": {required: true, fixed: true, max: 200},
		"location": {max: 200}, "startDate": {form: formDate}, "endDate": {form: formDate}, "isCurrent": {form: formBool, fixed: true},
		"description": {max: 5000}, "responsibilities": {form: formTexts}, "achievements": {form: formTexts},
	}, "workExperiences", []string{"jobTitle", "company", "location", "startDate", "endDate", "isCurrent", "description", "responsibilities", "achievements"}},
	{"education", "Education", map[string]itemMember{
		"school": {required: true, fixed: true, max: 200}, "degree": {max: 200}, "field": {max: 200},
		"startDate": {form: formDate}, "endDate": {form: formDate}, "isCurrent": {form: formBool, fixed: true}, "description": {max: 5000},
	}, "educations", []string{"school", "degree", "field", "startDate", "endDate", "isCurrent"}},
	{"skills", "Skill", map[string]itemMember{
		"name": {required: true, fixed: true, max: 100}, "category": {max: 100},
		"level": {oneOf: []string{"beginner", "intermediate", "advanced", "expert"}},
	}, "skills", []string{"name", "category", "level"}},
}

// mokaruItemPath gives the list of a path, and the id for the path of one item.
func mokaruItemPath(path string) (kind itemKind, id string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/v1/")
	name, id, one := strings.Cut(rest, "/")
	i := slices.IndexFunc(mokaruItemKinds, func(k itemKind) bool { return k.name == name })
	if !ok || i < 0 || one && id == "" || strings.Contains(id, "/") {
		return itemKind{}, "", false
	}
	return mokaruItemKinds[i], id, true
}

var errNoItem = errors.New("there is no such item")

// items serves one of the lists, or the item of the id if there is one.
func (m mokaru) items(s *Server, a *account, r *http.Request, body []byte, readErr error, kind itemKind, id string) reply {
	switch {
	case r.Method == http.MethodGet && id == "":
		return kind.page(s.view(a), r.URL.RawQuery)
	case r.Method == http.MethodGet:
		list := kind.list(s.view(a))
		i := indexOf(list, id)
		if i < 0 {
			return kind.gone()
		}
		return reply{status: http.StatusOK, body: map[string]any{"data": kind.read(list[i])}}
	case r.Method == http.MethodDelete:
		return m.change(s, a, verbDelete, kind, id, func(list []any, i int) []any { return slices.Delete(list, i, i+1) })
	}
	if refused, ok := m.refuseJSON(r.Header, readErr); !ok {
		return refused
	}
	set, wrong := kind.parse(body, r.Method == http.MethodPost)
	if len(wrong) > 0 {
		return mokaruInvalid(wrong)
	}
	if r.Method == http.MethodPost {
		return m.create(s, a, kind, set)
	}
	return m.change(s, a, verbUpdate, kind, id, func(list []any, i int) []any {
		item, _ := list[i].(map[string]any)
		list[i] = with(maps.Clone(item), set)
		return list
	})
}

// create adds an item behind the others, also if there is one that is the same.
func (m mokaru) create(s *Server, a *account, kind itemKind, set map[string]any) reply {
	id := "c" + strings.ToLower(rand.Text()[:24])
	item := with(map[string]any{"id": id}, set)
	if _, has := kind.members["isCurrent"]; has && item["isCurrent"] == nil {
		item["isCurrent"] = false
	}
	changed, err := s.update(a, verbCreate, func(state map[string]any) (map[string]any, error) {
		return map[string]any{kind.name: append(slices.Clone(kind.list(state)), item)}, nil
	})
	if err != nil {
		return s.unmade(a, err)
	}
	return reply{status: http.StatusCreated, changed: changed, body: struct {
		Success bool   `json:"success"`
		ID      string `json:"id"`
	}{true, id}}
}

// change makes the list what f makes of it and of the place of the item in it. f may
// change the list, but no item.
func (m mokaru) change(s *Server, a *account, verb string, kind itemKind, id string, f func(list []any, i int) []any) reply {
	changed, err := s.update(a, verb, func(state map[string]any) (map[string]any, error) {
		list := slices.Clone(kind.list(state))
		i := indexOf(list, id)
		if i < 0 {
			return nil, errNoItem
		}
		if list = f(list, i); len(list) == 0 {
			return map[string]any{kind.name: nil}, nil
		}
		return map[string]any{kind.name: list}, nil
	})
	if errors.Is(err, errNoItem) {
		return kind.gone()
	}
	if err != nil {
		return s.unmade(a, err)
	}
	return reply{status: http.StatusOK, changed: changed, body: struct {
		Success bool `json:"success"`
	}{true}}
}

func (kind itemKind) gone() reply { return mokaruRefusal(http.StatusNotFound, kind.noun+" not found") }

func (kind itemKind) list(state map[string]any) []any {
	list, _ := state[kind.name].([]any)
	return list
}

func indexOf(list []any, id string) int {
	return slices.IndexFunc(list, func(v any) bool {
		item, _ := v.(map[string]any)
		return item["id"] == id
	})
}

// with puts what is set into the item; nil is for what is cleared.
func with(item, set map[string]any) map[string]any {
	for name, v := range set {
		if v == nil {
			delete(item, name)
		} else {
			item[name] = v
		}
	}
	return item
}

// The sizes of pages.
const (
	usualPage = 25
	maxPage   = 100
)

// page answers with a part of the list.
func (kind itemKind) page(state map[string]any, query string) reply {
	limit, offset, wrong := pageOf(query)
	if len(wrong) > 0 {
		return mokaruInvalid(wrong)
	}
	list := kind.list(state)
	from := min(offset, len(list))
	to := min(from+limit, len(list))
	data := make([]any, 0, to-from)
	for _, v := range list[from:to] {
		data = append(data, kind.read(v))
	}
	return reply{status: http.StatusOK, body: struct {
		Data    []any `json:"data"`
		Total   int   `json:"total"`
		HasMore bool  `json:"hasMore"`
		Limit   int   `json:"limit"`
		Offset  int   `json:"offset"`
	}{data, len(list), to < len(list), limit, offset}}
}

var mokaruCount = regexp.MustCompile(`^[0-9]{1,9}$`)

// pageOf reads the query of a list.
func pageOf(query string) (limit, offset int, wrong []detail) {
	limit = usualPage
	values, err := url.ParseQuery(query)
	if err != nil {
		return 0, 0, []detail{{"query", "is not a query"}}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		n, _ := strconv.Atoi(values[name][0])
		switch {
		case name != "limit" && name != "offset":
			wrong = append(wrong, detail{name, "is not a parameter"})
		case len(values[name]) != 1:
			wrong = append(wrong, detail{name, "is given more than once"})
		case !mokaruCount.MatchString(values[name][0]):
			wrong = append(wrong, detail{name, "must be a whole number"})
		case name == "offset":
			offset = n
		case n < 1 || n > maxPage:
			wrong = append(wrong, detail{name, fmt.Sprintf("must be from 1 to %d", maxPage)})
		default:
			limit = n
		}
	}
	return limit, offset, wrong
}

// parse reads the body of a POST or a PATCH. set has every member that is given, as it
// is to be kept, with nil for what is to be cleared. wrong names every member that is not
// by the rules; when there are any, set means nothing.
func (kind itemKind) parse(body []byte, create bool) (set map[string]any, wrong []detail) {
	o, wrong := mokaruObject(body)
	if o == nil {
		return nil, wrong
	}
	set = map[string]any{}
	for _, name := range o.names {
		rule, known := kind.members[name]
		if !known {
			wrong = append(wrong, detail{name, "is not a field"})
			continue
		}
		if o.values[name] == nil {
			if set[name] = nil; create || rule.fixed {
				wrong = append(wrong, detail{name, "must not be null"})
			}
			continue
		}
		v := plain(o.values[name])
		if message := rule.check(v); message != "" {
			wrong = append(wrong, detail{name, message})
		}
		if list, ok := v.([]any); ok && len(list) == 0 {
			v = nil
		}
		set[name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(kind.members)) {
		if _, given := o.values[name]; create && !given && kind.members[name].required {
			wrong = append(wrong, detail{name, "is required"})
		}
	}
	return set, wrong
}

// check says what is wrong with a value that is not null.
func (rule itemMember) check(v any) (message string) {
	text, isText := v.(string)
	switch rule.form {
	case formBool:
		if _, ok := v.(bool); !ok {
			return "must be true or false"
		}
		return ""
	case formTexts:
		list, ok := v.([]any)
		for _, v := range list {
			_, isText := v.(string)
			ok = ok && isText
		}
		if !ok {
			return "must be a list of texts"
		}
		return ""
	case formDate:
		if !isText || !isDay(text) && !isDay(text+"-01") && !isDay(text+"-01-01") {
			return "must be a date as YYYY, YYYY-MM or YYYY-MM-DD"
		}
		return ""
	}
	switch {
	case !isText:
		return "must be a text"
	case rule.required && text == "":
		return "must not be empty"
	case rule.oneOf != nil && !slices.Contains(rule.oneOf, text):
		return "must be one of: " + strings.Join(rule.oneOf, ", ")
	case rule.max > 0 && codePoints(text) > rule.max:
		return fmt.Sprintf("must be at most %d characters", rule.max)
	}
	return ""
}

// read is an item as it is given out: every member, days as midnight UTC.
func (kind itemKind) read(v any) map[string]any {
	kept, _ := v.(map[string]any)
	item := map[string]any{"id": kept["id"]}
	for name, rule := range kind.members {
		item[name] = kept[name] // nil when it is not set
		if text, ok := kept[name].(string); ok && rule.form == formDate {
			item[name] = midnight(text)
		}
		if rule.form == formTexts && kept[name] == nil {
			item[name] = []any{}
		}
	}
	return item
}

// inProfile is the list as the profile shows it, without ids.
func (kind itemKind) inProfile(state map[string]any) []any {
	shown := []any{}
	for _, v := range kind.list(state) {
		item := kind.read(v)
		maps.DeleteFunc(item, func(name string, _ any) bool { return !slices.Contains(kind.shown, name) })
		shown = append(shown, item)
	}
	return shown
}

// keeps says whether a state can have the value as this list.
func (kind itemKind) keeps(v any) bool {
	if v == nil {
		return true
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return false
	}
	for i, v := range list {
		item, _ := v.(map[string]any)
		id, _ := item["id"].(string)
		if id == "" || indexOf(list, id) != i {
			return false
		}
		for name, v := range item {
			rule, known := kind.members[name]
			if name != "id" && (!known || rule.check(v) != "") {
				return false
			}
		}
		for name, rule := range kind.members {
			if (rule.required || rule.form == formBool) && item[name] == nil {
				return false
			}
		}
	}
	return true
}
