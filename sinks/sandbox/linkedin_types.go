package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// linkedinFindings is what is wrong with a body. A body that is malformed is refused with
// 400, whatever else there is; wrong values are refused with 422.
type linkedinFindings struct {
	malformed []detail // no JSON, another shape than any documented, names that nobody has
	wrong     []detail
}

func (c *linkedinFindings) malform(path, message string) {
	c.malformed = append(c.malformed, detail{path, message})
}

func (c *linkedinFindings) say(path, message string) {
	c.wrong = append(c.wrong, detail{path, message})
}

func (c *linkedinFindings) none() bool { return len(c.malformed)+len(c.wrong) == 0 }

// linkedinType reads a value as it came and gives it as it is to be kept: as nil, bool,
// json.Number, string, []any and map[string]any. What is wrong goes to the findings, and
// then the value means nothing.
type linkedinType func(c *linkedinFindings, path string, v any) any

// linkedinMember is one member of an object, or one field of a profile or an entity.
type linkedinMember struct {
	read     linkedinType
	empty    linkedinEmpty // what clears it in a $set
	required bool          // cannot be left out, cleared or deleted
}

// linkedinEmpty is the value that clears a field, which goes by the type of the field.
type linkedinEmpty int

const (
	linkedinNever     linkedinEmpty = iota // only $delete does
	linkedinByText                         // the empty text
	linkedinByList                         // the empty list
	linkedinByNothing                      // the object without members
)

func (e linkedinEmpty) is(v any) bool {
	switch v := v.(type) {
	case string:
		return e == linkedinByText && v == ""
	case []any:
		return e == linkedinByList && len(v) == 0
	case *object:
		return e == linkedinByNothing && len(v.names) == 0
	}
	return false
}

// object reads an object with the members.
func (c *linkedinFindings) object(path string, v any, members map[string]linkedinMember) map[string]any {
	o, ok := v.(*object)
	if !ok {
		c.say(path, "must be an object")
		return nil
	}
	kept := map[string]any{}
	for _, n := range o.names {
		m, known := members[n]
		if !known {
			c.malform(under(path, n), "is not a member")
			continue
		}
		kept[n] = m.read(c, under(path, n), o.values[n])
	}
	for _, n := range slices.Sorted(maps.Keys(members)) {
		if _, given := o.values[n]; !given && members[n].required {
			c.say(under(path, n), "is required")
		}
	}
	return kept
}

// linkedinRecord is an object with the members.
func linkedinRecord(members map[string]linkedinMember) linkedinType {
	return func(c *linkedinFindings, path string, v any) any { return c.object(path, v, members) }
}

// linkedinList is a list of items. An empty one is nil.
func linkedinList(item linkedinType) linkedinType {
	return func(c *linkedinFindings, path string, v any) any {
		list, ok := v.([]any)
		if !ok {
			c.say(path, "must be a list")
			return nil
		}
		if len(list) == 0 {
			return nil
		}
		kept := make([]any, len(list))
		for i, v := range list {
			kept[i] = item(c, at(path, i), v)
		}
		return kept
	}
}

// linkedinText is a text that is not empty.
func linkedinText(c *linkedinFindings, path string, v any) any {
	text, ok := v.(string)
	switch {
	case !ok:
		c.say(path, "must be a text")
	case text == "":
		c.say(path, "must not be empty")
	}
	return text
}

// linkedinMatch is a text of a form.
func linkedinMatch(form, message string) linkedinType {
	re := regexp.MustCompile(form)
	return func(c *linkedinFindings, path string, v any) any {
		text, ok := v.(string)
		if !ok || !re.MatchString(text) {
			c.say(path, message)
		}
		return text
	}
}

// linkedinOneOf is one of the texts.
func linkedinOneOf(texts ...string) linkedinType {
	return func(c *linkedinFindings, path string, v any) any {
		text, ok := v.(string)
		if !ok || !slices.Contains(texts, text) {
			c.say(path, "must be one of "+strings.Join(texts, ", "))
		}
		return text
	}
}

func linkedinBool(c *linkedinFindings, path string, v any) any {
	b, ok := v.(bool)
	if !ok {
		c.say(path, "must be true or false")
	}
	return b
}

// linkedinInt is a whole number in a range.
func linkedinInt(low, high int64) linkedinType {
	return func(c *linkedinFindings, path string, v any) any {
		n, ok := wholeNumber(v)
		if !ok || n < low || n > high {
			c.say(path, fmt.Sprintf("must be a whole number from %d to %d", low, high))
		}
		return json.Number(strconv.FormatInt(n, 10))
	}
}

// wholeNumber reads a number without fraction and exponent.
func wholeNumber(v any) (int64, bool) {
	number, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(number.String(), 10, 64)
	return n, err == nil
}

// linkedinID is an id of an entity: a long.
func linkedinID(c *linkedinFindings, path string, v any) any {
	n, ok := wholeNumber(v)
	if !ok || n <= 0 {
		c.say(path, "must be the id of an entity, as a number")
	}
	return json.Number(strconv.FormatInt(n, 10))
}

// linkedinDate is a date, of which the month and the day may be missing if they are not
// required; what is not supported is wrong.
func linkedinDate(month, day, whole bool) linkedinType {
	members := map[string]linkedinMember{
		"year":  {read: linkedinInt(1, 9999), required: true},
		"month": {read: linkedinInt(1, 12), required: whole},
		"day":   {read: linkedinInt(1, 31), required: whole},
	}
	return func(c *linkedinFindings, path string, v any) any {
		before := len(c.wrong)
		kept := c.object(path, v, members)
		y, _ := wholeNumber(kept["year"])
		m, hasMonth := wholeNumber(kept["month"])
		d, hasDay := wholeNumber(kept["day"])
		if hasMonth && !month {
			c.say(under(path, "month"), "is not supported")
		}
		if hasDay && !day {
			c.say(under(path, "day"), "is not supported")
		}
		if hasDay && !hasMonth && day {
			c.say(under(path, "day"), "needs a month")
		}
		if hasDay && hasMonth && len(c.wrong) == before {
			t := time.Date(int(y), time.Month(int(m)), int(d), 0, 0, 0, 0, time.UTC)
			if t.Day() != int(d) {
				c.say(path, "is not a day of the calendar")
			}
		}
		return kept
	}
}

var (
	linkedinLocaleKey = regexp.MustCompile(`^[a-z]{2}(_[A-Z]{2}(_[A-Za-z0-9]+)?)?$`)

	// linkedinLocale is a Locale, whose country is optional.
	linkedinLocale = linkedinRecord(map[string]linkedinMember{
		"country":  {read: linkedinMatch(`^[A-Z]{2}$`, "must be a country of two upper-case letters")},
		"language": {read: linkedinMatch(`^[a-z]{2}$`, "must be a language of two lower-case letters"), required: true},
	})
	// linkedinString is a MultiLocaleString, linkedinRich a MultiLocaleRichText.
	linkedinString = linkedinLocalized(linkedinText)
	linkedinRich   = linkedinLocalized(linkedinRecord(map[string]linkedinMember{"rawText": {read: linkedinText, required: true}}))
)

// linkedinLocalized is a value for each of some locales.
func linkedinLocalized(value linkedinType) linkedinType {
	localized := func(c *linkedinFindings, path string, v any) any {
		o, ok := v.(*object)
		if !ok || len(o.names) == 0 {
			c.say(path, "must have a value for a locale")
			return nil
		}
		kept := map[string]any{}
		for _, key := range o.names {
			if !linkedinLocaleKey.MatchString(key) {
				c.say(under(path, key), "is not a locale like en_US")
			}
			kept[key] = value(c, under(path, key), o.values[key])
		}
		return kept
	}
	members := map[string]linkedinMember{
		"localized":       {read: localized, required: true},
		"preferredLocale": {read: linkedinLocale},
	}
	return func(c *linkedinFindings, path string, v any) any {
		before := len(c.wrong)
		kept := c.object(path, v, members)
		if locale, given := kept["preferredLocale"].(map[string]any); given && len(c.wrong) == before && linkedinPreferred(kept) == "" {
			c.say(under(path, "preferredLocale"), linkedinLocaleName(locale)+" is not a locale of the value")
		}
		return kept
	}
}

// linkedinLocaleName is the key of a kept Locale in a map of locales.
func linkedinLocaleName(locale map[string]any) string {
	language, _ := locale["language"].(string)
	if country, ok := locale["country"].(string); ok {
		return language + "_" + country
	}
	return language
}

// linkedinLocales are the locales of a kept multi-locale value, in order.
func linkedinLocales(v any) []string {
	value, _ := v.(map[string]any)
	localized, _ := value["localized"].(map[string]any)
	return slices.Sorted(maps.Keys(localized))
}

// linkedinPreferred is the locale of a kept multi-locale value that is preferred, which
// may have a variant; it is empty if there is none.
func linkedinPreferred(value map[string]any) string {
	locale, _ := value["preferredLocale"].(map[string]any)
	if locale == nil {
		return ""
	}
	want := linkedinLocaleName(locale)
	_, hasCountry := locale["country"]
	for _, key := range linkedinLocales(value) {
		if key == want || hasCountry && strings.HasPrefix(key, want+"_") {
			return key
		}
	}
	return ""
}
