package sandbox

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The fields of Mokaru's Update Profile. A profile is kept as a map of what is set: a
// scalar is a string, a collection a []any of map[string]any that is not empty. What is
// not in the map is null, or an empty collection.

// scalar is the rule of a field that holds one text.
type scalar struct {
	max       int  // in code points of the NFC form; 0 when none is stated
	clearable bool // null is accepted
	nonEmpty  bool
	day       bool                // a calendar day, YYYY-MM-DD
	complete  func(string) string // what the provider makes of it; nil when nothing
}

// collection is the rule of a field that holds a list.
type collection struct {
	cap     int // the most items
	members map[string]member
}

// member is the rule of one member of an item.
type member struct {
	required bool
	boolean  bool // otherwise a text
	date     bool // a text that is read back as a time if it is a calendar day
}

var mokaruScalars = map[string]scalar{
	"firstName":     {max: 100, nonEmpty: true},
	"lastName":      {max: 100, nonEmpty: true},
	"email":         {max: 254, nonEmpty: true},
	"phone":         {max: 50, clearable: true},
	"address":       {max: 200, clearable: true},
	"country":       {max: 100, clearable: true},
	"province":      {max: 100, clearable: true},
	"birthDate":     {clearable: true, day: true},
	"driverLicense": {max: 50, clearable: true},
	"gender":        {max: 50, clearable: true},
	"jobTitle":      {max: 200, clearable: true},
	"summary":       {max: 2000, clearable: true},
	"sector":        {max: 100, clearable: true},
	"employer":      {max: 200, clearable: true},
	"linkedIn":      {clearable: true, complete: linkedInURL},
	"website":       {max: 500, clearable: true, complete: withScheme},
	"portfolio":     {max: 500, clearable: true, complete: withScheme},
}

var (
	required = member{required: true}
	optional = member{}
	date     = member{date: true}
	boolean  = member{boolean: true}
)

var mokaruCollections = map[string]collection{
	"summaries": {100, map[string]member{"title": optional, "content": required}},
	"projects": {100, map[string]member{"name": required, "description": required, "organisation": optional,
		"startDate": date, "endDate": date, "isCurrent": boolean, "url": optional}},
	"certificates": {100, map[string]member{"name": required, "issuer": required, "description": optional,
		"issueDate": date, "expiryDate": date, "credentialId": optional, "verificationUrl": optional}},
	"awards":       {100, map[string]member{"name": required, "organisation": optional, "description": optional, "date": date}},
	"publications": {100, map[string]member{"name": required, "publisher": optional, "date": date, "url": optional, "description": optional}},
	"interests":    {100, map[string]member{"name": required, "description": optional}},
	"jobTitles":    {50, map[string]member{"title": required}},
}

// mokaruObject reads a body that has to be an object with a field at least. o is nil when
// it is none; otherwise wrong names the fields that are given more than once.
func mokaruObject(body []byte) (o *object, wrong []detail) {
	v, repeated, err := parseStrict(body)
	if err != nil {
		return nil, []detail{{"body", err.Error()}}
	}
	o, ok := v.(*object)
	if !ok {
		return nil, []detail{{"body", "must be an object"}}
	}
	if len(o.names) == 0 {
		return nil, []detail{{"body", "must have at least one field"}}
	}
	return o, repeated
}

// mokaruPatch reads the body of a PATCH. set has every field that is given, as it is to
// be kept, with nil for what is to be cleared. wrong names every field that is not by
// the rules; when there are any, set means nothing.
func mokaruPatch(body []byte) (set map[string]any, wrong []detail) {
	o, wrong := mokaruObject(body)
	if o == nil {
		return nil, wrong
	}
	set = map[string]any{}
	for _, name := range o.names {
		if rule, ok := mokaruScalars[name]; ok {
			text, message := rule.check(o.values[name])
			if message != "" {
				wrong = append(wrong, detail{name, message})
			}
			set[name] = text
		} else if rule, ok := mokaruCollections[name]; ok {
			items, bad := rule.check(name, o.values[name])
			wrong = append(wrong, bad...)
			if set[name] = nil; len(items) > 0 {
				set[name] = items
			}
		} else {
			wrong = append(wrong, detail{name, "is not a field"})
		}
	}
	return set, wrong
}

// check gives the text as it is to be kept, or nil, and says what is wrong with it.
func (rule scalar) check(v any) (kept any, message string) {
	if v == nil {
		if !rule.clearable {
			return nil, "must not be null"
		}
		return nil, ""
	}
	text, ok := v.(string)
	switch {
	case !ok:
		return nil, "must be a text"
	case rule.nonEmpty && text == "":
		return nil, "must not be empty"
	case rule.day && !isDay(text):
		return nil, "must be a date as YYYY-MM-DD"
	case rule.max > 0 && codePoints(text) > rule.max:
		return nil, fmt.Sprintf("must be at most %d characters", rule.max)
	case rule.complete != nil:
		return rule.complete(text), ""
	}
	return text, ""
}

func (rule collection) check(name string, v any) (items []any, wrong []detail) {
	list, ok := v.([]any)
	if !ok {
		return nil, []detail{{name, "must be a list"}}
	}
	if len(list) > rule.cap {
		return nil, []detail{{name, fmt.Sprintf("must have at most %d items", rule.cap)}}
	}
	for i, v := range list {
		path := at(name, i)
		o, ok := v.(*object)
		if !ok {
			wrong = append(wrong, detail{path, "must be an object"})
			continue
		}
		item := map[string]any{}
		for _, n := range o.names {
			m, known := rule.members[n]
			_, isText := o.values[n].(string)
			_, isBool := o.values[n].(bool)
			switch {
			case !known:
				wrong = append(wrong, detail{under(path, n), "is not a member"})
			case o.values[n] == nil:
				wrong = append(wrong, detail{under(path, n), "must not be null"})
			case m.boolean && !isBool:
				wrong = append(wrong, detail{under(path, n), "must be true or false"})
			case !m.boolean && !isText:
				wrong = append(wrong, detail{under(path, n), "must be a text"})
			}
			item[n] = o.values[n]
		}
		for _, n := range slices.Sorted(maps.Keys(rule.members)) {
			if _, given := o.values[n]; !given && rule.members[n].required {
				wrong = append(wrong, detail{under(path, n), "is required"})
			}
		}
		items = append(items, item)
	}
	return items, wrong
}

// mokaruRead is the profile as GET gives it: every field, days as midnight UTC, and the
// lists that have paths of their own, which cannot be written here.
func mokaruRead(state map[string]any) map[string]any {
	data := map[string]any{}
	for name, rule := range mokaruScalars {
		data[name] = state[name] // nil when it is not set
		if text, ok := state[name].(string); ok && rule.day {
			data[name] = midnight(text)
		}
	}
	for name, rule := range mokaruCollections {
		list, _ := state[name].([]any)
		items := make([]any, 0, len(list))
		for _, v := range list {
			kept, _ := v.(map[string]any)
			item := maps.Clone(kept)
			for n, m := range rule.members {
				if text, ok := item[n].(string); ok && m.date {
					item[n] = midnight(text)
				}
			}
			items = append(items, item)
		}
		data[name] = items
	}
	for _, kind := range mokaruItemKinds {
		data[kind.profile] = kind.inProfile(state)
	}
	return data
}

// joiner is what package norm puts into runs of more than thirty marks, to bound them.
const joiner = "\u034f"

// codePoints is the length that limits are about. The joiners that only package norm put
// in do not count; a mark behind one is counted even if it would compose with the letter.
func codePoints(s string) int {
	nfc := norm.NFC.String(s)
	return utf8.RuneCountInString(nfc) - (strings.Count(nfc, joiner) - strings.Count(s, joiner))
}

func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

func midnight(s string) string {
	if !isDay(s) {
		return s
	}
	return s + "T00:00:00.000Z"
}

var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// withScheme puts https:// before what has no scheme.
func withScheme(s string) string {
	if s == "" || scheme.MatchString(s) {
		return s
	}
	return "https://" + s
}

// linkedInURL makes a URL of a user name, and completes a URL without a scheme, which is
// told from a name by a slash.
func linkedInURL(s string) string {
	if s == "" || strings.Contains(s, "/") {
		return withScheme(s)
	}
	return "https://linkedin.com/in/" + s
}

// mokaruKept says whether a field can be kept with the value.
func mokaruKept(name string, v any) bool {
	if i := slices.IndexFunc(mokaruItemKinds, func(k itemKind) bool { return k.name == name }); i >= 0 {
		return mokaruItemKinds[i].keeps(v)
	}
	_, isScalar := mokaruScalars[name]
	_, isCollection := mokaruCollections[name]
	switch v := v.(type) {
	case nil:
		return isScalar || isCollection
	case string:
		return isScalar
	case []any:
		for _, item := range v {
			if _, ok := item.(map[string]any); !ok {
				return false
			}
		}
		return isCollection && len(v) > 0
	}
	return false
}
