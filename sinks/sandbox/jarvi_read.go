package sandbox

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// jarviPage is how many rows an answer has at most.
const jarviPage = 100

// jarviFind answers a GET: a page of the profiles that the where is for, in the order
// asked for, or the oldest first.
func jarviFind(state map[string]any, raw string) reply {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return jarviRefusal(http.StatusBadRequest, "The query is malformed")
	}
	number := map[string]int{}
	for name, values := range query {
		if !slices.Contains([]string{"where", "orderBy", "limit", "offset"}, name) || len(values) > 1 {
			return jarviRefusal(http.StatusBadRequest, "The query may only have where, orderBy, limit and offset, each once")
		}
		if name == "limit" || name == "offset" {
			n, err := strconv.Atoi(values[0])
			if err != nil || n < 0 {
				return jarviRefusal(http.StatusBadRequest, name+" must be a number")
			}
			number[name] = n
		}
	}
	if number["limit"] >= 1000 && query.Has("orderBy") {
		return jarviRefusal(http.StatusInternalServerError, "Internal server error")
	}
	rows := jarviRows(state)
	if matches, understood := jarviWhere(query.Get("where")); understood {
		rows = slices.DeleteFunc(rows, func(row map[string]any) bool { return !matches(row) })
	}
	if query.Has("orderBy") {
		if !jarviSort(rows, query.Get("orderBy")) {
			return jarviRefusal(http.StatusBadRequest, `orderBy must be like {"createdAt":"desc"}`)
		}
	}
	from := min(number["offset"], len(rows))
	return reply{status: http.StatusOK, body: map[string]any{"data": rows[from:min(from+jarviPage, len(rows))], "total": len(rows)}}
}

// jarviRows are the profiles as they are shown, the oldest first.
func jarviRows(state map[string]any) []map[string]any {
	type numbered struct {
		id string
		n  int64
	}
	order := make([]numbered, 0, len(state))
	for id, v := range state {
		profile, _ := v.(map[string]any)
		number, _ := profile[jarviNumber].(json.Number)
		n, _ := number.Int64() // it was checked when it was kept
		order = append(order, numbered{id, n})
	}
	slices.SortFunc(order, func(a, b numbered) int { return cmp.Compare(a.n, b.n) })
	rows := make([]map[string]any, 0, len(state))
	for _, o := range order {
		profile, _ := state[o.id].(map[string]any)
		rows = append(rows, jarviRow(o.id, profile))
	}
	return rows
}

var jarviSlug = regexp.MustCompile(`/in/([^/?#]+)`)

// jarviRow is a profile as it is shown: null for what is not set. What was sent is in the
// columns for what people wrote; those for what was found elsewhere are empty.
func jarviRow(id string, profile map[string]any) map[string]any {
	row := map[string]any{"id": id, "isTalent": false, "isContact": false, "source": "api",
		"createdAt": profile[jarviCreated], "deletedAt": profile[jarviDeleted]}
	for _, name := range []string{"firstNameParsed", "lastNameParsed", "externalIdSource", "locationId", "manualLocationId", "parsedLocationId",
		"linkedinId", "publicIdentifier", "preferredEmailAddress", "statusId", "groupId", "createdByUserId"} {
		row[name] = nil
	}
	for column, name := range map[string]string{"firstName": "firstName", "firstNameManual": "firstName", "lastName": "lastName", "lastNameManual": "lastName",
		"headline": "headline", "externalId": "externalId", "profileUrl": "linkedinUrl"} {
		row[column] = profile[name]
	}
	text := func(name string) string { text, _ := profile[name].(string); return text }
	if text("externalId") != "" {
		row["externalIdSource"] = "api"
	}
	if text("location") != "" {
		sum := sha256.Sum256([]byte(text("location")))
		place := jarviUUIDOf([16]byte(sum[:16]))
		row["locationId"], row["manualLocationId"] = place, place
	}
	if match := jarviSlug.FindStringSubmatch(text("linkedinUrl")); match != nil {
		row["publicIdentifier"] = match[1]
	}
	search := []string{text("firstName"), text("lastName"), text("headline")}
	if text("emailAddresses") != "" {
		addresses := jarviParts(text("emailAddresses"))
		row["preferredEmailAddress"] = addresses[0]
		search = append(search, addresses...)
	}
	phones := []any{}
	if text("phoneNumbers") != "" {
		for _, number := range jarviParts(text("phoneNumbers")) {
			phones = append(phones, map[string]any{"number": number, "canonicalNumber": jarviCanonical(number)})
		}
	}
	row["phoneNumbers"] = phones
	row["searchString"] = strings.ToLower(strings.Join(strings.Fields(strings.Join(search, " ")), " "))
	return row
}

// jarviCanonical is a phone number without what parts its digits.
func jarviCanonical(number string) string {
	return strings.Map(func(r rune) rune {
		if r == '+' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, number)
}

// jarviWhere reads a where. understood is false when anything in it is not; then it is as
// if there were none.
func jarviWhere(text string) (matches func(row map[string]any) bool, understood bool) {
	v, repeated, err := parseStrict([]byte(text))
	if err != nil || len(repeated) > 0 {
		return nil, false
	}
	return jarviCondition(v)
}

func jarviCondition(v any) (func(row map[string]any) bool, bool) {
	o, ok := v.(*object)
	if !ok {
		return nil, false
	}
	all := []func(map[string]any) bool{}
	for _, name := range o.names {
		one, ok := jarviTerm(name, o.values[name])
		if !ok {
			return nil, false
		}
		all = append(all, one)
	}
	return func(row map[string]any) bool {
		return !slices.ContainsFunc(all, func(one func(map[string]any) bool) bool { return !one(row) })
	}, true
}

// jarviColumns are the columns that a where and an orderBy can be about.
var jarviColumns = func() map[string]any {
	row := jarviRow("", nil)
	delete(row, "phoneNumbers")
	return row
}()

// jarviTerm is a member of a where.
func jarviTerm(name string, v any) (func(row map[string]any) bool, bool) {
	if name == "_search" {
		return jarviOperator("searchString", name, v)
	}
	if name == "_or" {
		list, ok := v.([]any)
		some := []func(map[string]any) bool{}
		for _, v := range list {
			one, ok := jarviCondition(v)
			if !ok {
				return nil, false
			}
			some = append(some, one)
		}
		return func(row map[string]any) bool {
			return slices.ContainsFunc(some, func(one func(map[string]any) bool) bool { return one(row) })
		}, ok
	}
	o, ok := v.(*object)
	if _, isColumn := jarviColumns[name]; !isColumn || !ok || len(o.names) == 0 {
		return nil, false
	}
	all := []func(map[string]any) bool{}
	for _, operator := range o.names {
		one, ok := jarviOperator(name, operator, o.values[operator])
		if !ok {
			return nil, false
		}
		all = append(all, one)
	}
	return func(row map[string]any) bool {
		return !slices.ContainsFunc(all, func(one func(map[string]any) bool) bool { return !one(row) })
	}, true
}

// jarviOperator is one comparison of a column.
func jarviOperator(column, operator string, v any) (func(row map[string]any) bool, bool) {
	text, isText := v.(string)
	switch operator {
	case "_eq":
		return func(row map[string]any) bool { return row[column] == v }, jarviScalar(v)
	case "_gt":
		return func(row map[string]any) bool { have, ok := row[column].(string); return ok && have > text }, isText
	case "_in":
		list, ok := v.([]any)
		return func(row map[string]any) bool { return slices.Contains(list, row[column]) }, ok && !slices.ContainsFunc(list, func(v any) bool { return !jarviScalar(v) })
	case "_ilike":
		pattern, err := jarviPattern(text)
		return func(row map[string]any) bool {
			have, ok := row[column].(string)
			return ok && pattern.MatchString(have)
		}, isText && err == nil
	case "_search":
		return func(row map[string]any) bool {
			have, ok := row[column].(string)
			return ok && strings.Contains(strings.ToLower(have), strings.ToLower(text))
		}, isText
	}
	return nil, false
}

// jarviScalar says whether a value can be one of a column, to be compared by ==.
func jarviScalar(v any) bool {
	switch v.(type) {
	case nil, bool, string:
		return true
	}
	return false
}

// jarviPattern is a pattern in which % is any text and _ any character.
func jarviPattern(text string) (*regexp.Regexp, error) {
	p := regexp.QuoteMeta(text)
	p = strings.NewReplacer("%", ".*", "_", ".").Replace(p)
	return regexp.Compile("(?is)^" + p + "$")
}

// jarviSort puts rows in the order that an orderBy asks for, null last, and says whether
// it is one: an object or a list of objects of columns with asc or desc.
func jarviSort(rows []map[string]any, text string) bool {
	v, repeated, err := parseStrict([]byte(text))
	if err != nil || len(repeated) > 0 {
		return false
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	type key struct {
		column string
		down   bool
	}
	keys := []key{}
	for _, v := range list {
		o, ok := v.(*object)
		if !ok {
			return false
		}
		for _, name := range o.names {
			if _, isColumn := jarviColumns[name]; !isColumn || o.values[name] != "asc" && o.values[name] != "desc" {
				return false
			}
			keys = append(keys, key{name, o.values[name] == "desc"})
		}
	}
	slices.SortStableFunc(rows, func(a, b map[string]any) int {
		for _, k := range keys {
			x, isX := a[k.column].(string)
			y, isY := b[k.column].(string)
			switch c := strings.Compare(x, y); {
			case isX != isY && isX:
				return -1
			case isX != isY:
				return 1
			case c != 0 && k.down:
				return -c
			case c != 0:
				return c
			}
		}
		return 0
	})
	return true
}
