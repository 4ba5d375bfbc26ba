package jarvi

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"vitae/ledger"
	"vitae/sinks"
)

// Row is a profile as a read shows it: null for what is not set. What was written is in
// the columns for what people wrote; those for what is found elsewhere are empty.
func Row(p *ledger.Profile) (ledger.Node, error) {
	settings, _, err := sinks.SettingsOf(p, ledger.Jarvi)
	if err != nil {
		return ledger.Node{}, err
	}
	text := map[string]ledger.Node{}
	for _, name := range []string{"firstName", "lastName", "headline", "linkedIn", "email"} {
		if text[name], err = scalar(p, name); err != nil {
			return ledger.Node{}, err
		}
	}
	external := cmp.Or(settings.Account, p.ID.String())
	addresses, err := addressesOf(p)
	if err != nil {
		return ledger.Node{}, err
	}
	phones := ledger.Node{Kind: ledger.NodeArray}
	search := append([]string{text["firstName"].Text, text["lastName"].Text, text["headline"].Text}, addresses...)
	for _, item := range p.Items(ledger.Shared, "phones") {
		n, err := ledger.ParseJSON(item.Value)
		if err != nil {
			return ledger.Node{}, err
		}
		number, _ := n.Member("number")
		phones.Elems = append(phones.Elems, object(member("number", number), member("canonicalNumber", ledger.TextNode(canonical(number.Text)))))
	}

	const form = "2006-01-02T15:04:05.000Z"
	values := map[string]ledger.Node{
		"id": ledger.TextNode(UUID(p.ID)), "externalId": ledger.TextNode(external), "externalIdSource": ledger.TextNode("api"), "source": ledger.TextNode("api"),
		"firstName": text["firstName"], "firstNameManual": text["firstName"], "lastName": text["lastName"], "lastNameManual": text["lastName"],
		"headline": text["headline"], "profileUrl": text["linkedIn"], "publicIdentifier": slug(text["linkedIn"].Text), "preferredEmailAddress": text["email"],
		"isTalent": {Kind: ledger.NodeBool}, "isContact": {Kind: ledger.NodeBool},
		"createdAt": ledger.TextNode(p.CreatedAt.UTC().Format(form)), "phoneNumbers": phones,
		"searchString": ledger.TextNode(strings.ToLower(strings.Join(strings.Fields(strings.Join(search, " ")), " "))),
	}
	row := object()
	for _, name := range columns {
		row.Members = append(row.Members, member(name, values[name]))
	}
	return row, nil
}

// columns are the columns of a row, in their order.
var columns = []string{"id", "firstName", "firstNameParsed", "firstNameManual", "lastName", "lastNameParsed", "lastNameManual", "headline", "externalId",
	"externalIdSource", "locationId", "manualLocationId", "parsedLocationId", "linkedinId", "publicIdentifier", "profileUrl", "preferredEmailAddress", "phoneNumbers",
	"isTalent", "isContact", "source", "statusId", "groupId", "createdAt", "createdByUserId", "deletedAt", "searchString"}

// askable says that a condition or an order can be about the column.
func askable(column string) bool { return column != "phoneNumbers" && slices.Contains(columns, column) }

var slugForm = regexp.MustCompile(`/in/([^/?#]+)`)

func slug(url string) ledger.Node {
	if match := slugForm.FindStringSubmatch(url); match != nil {
		return ledger.TextNode(match[1])
	}
	return ledger.Node{}
}

// canonical is a phone number without what parts its digits.
func canonical(number string) string {
	return strings.Map(func(r rune) rune {
		if r == '+' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, number)
}

// Where says which rows are asked for. The zero Where is for all.
type Where struct {
	root    ledger.Node
	matches func(row ledger.Node) bool
}

// maxPattern is how long a text to look for may be, in code points.
const maxPattern = 1000

// ParseWhere reads a where: an object of columns with the operators _eq, _gt, _in, _ilike
// and _search, all of which must hold, with _or for a list of such objects of which one
// must, and with _search for a text anywhere in the row. What is not understood is refused
// with a *ledger.Refusal: taken for nothing, it would find everybody.
func ParseWhere(text string) (Where, error) {
	n, err := ledger.ParseJSON([]byte(text))
	if err != nil {
		return Where{}, ledger.Refuse("/where", ledger.CodeSyntax, "must be JSON")
	}
	matches, wrong := condition(n)
	if wrong != "" {
		return Where{}, ledger.Refuse("/where", ledger.CodeFormat, wrong)
	}
	return Where{root: n, matches: matches}, nil
}

// Matches says whether a row is asked for.
func (w Where) Matches(row ledger.Node) bool { return w.matches == nil || w.matches(row) }

// Only gives the values that a column must have one of, when the where says so at its top:
// nobody else needs to be looked at. ok is false when it does not, or when one is no text.
func (w Where) Only(column string) (values []string, ok bool) {
	n, _ := w.root.Member(column)
	if v, there := n.Member("_eq"); there && v.Kind == ledger.NodeString {
		return []string{v.Text}, true
	}
	v, there := n.Member("_in")
	for _, e := range v.Elems {
		if e.Kind != ledger.NodeString {
			return nil, false
		}
		values = append(values, e.Text)
	}
	return values, there
}

type test = func(row ledger.Node) bool

func all(tests []test) test {
	return func(row ledger.Node) bool {
		return !slices.ContainsFunc(tests, func(t test) bool { return !t(row) })
	}
}

// condition reads an object of conditions; wrong says what is not understood.
func condition(n ledger.Node) (t test, wrong string) {
	if n.Kind != ledger.NodeObject {
		return nil, "a condition must be an object"
	}
	var tests []test
	for _, m := range n.Members {
		t, wrong := term(m.Name, m.Node)
		if wrong != "" {
			return nil, wrong
		}
		tests = append(tests, t)
	}
	return all(tests), ""
}

func term(name string, n ledger.Node) (t test, wrong string) {
	switch {
	case name == "_search":
		return operator("searchString", name, n)
	case name == "_or":
		if n.Kind != ledger.NodeArray || len(n.Elems) == 0 {
			return nil, "_or must be a list of conditions"
		}
		var some []test
		for _, e := range n.Elems {
			t, wrong := condition(e)
			if wrong != "" {
				return nil, wrong
			}
			some = append(some, t)
		}
		return func(row ledger.Node) bool { return slices.ContainsFunc(some, func(t test) bool { return t(row) }) }, ""
	case !askable(name):
		return nil, "names a column or an operator that is not known"
	case n.Kind != ledger.NodeObject || len(n.Members) == 0:
		return nil, "a column must have an object of operators"
	}
	var tests []test
	for _, m := range n.Members {
		t, wrong := operator(name, m.Name, m.Node)
		if wrong != "" {
			return nil, wrong
		}
		tests = append(tests, t)
	}
	return all(tests), ""
}

// operator is one comparison of a column.
func operator(column, name string, n ledger.Node) (t test, wrong string) {
	get := func(row ledger.Node) ledger.Node { v, _ := row.Member(column); return v }
	plain := func(n ledger.Node) bool {
		return n.Kind == ledger.NodeNull || n.Kind == ledger.NodeBool || n.Kind == ledger.NodeString
	}
	same := func(a, b ledger.Node) bool { return a.Kind == b.Kind && a.Text == b.Text && a.Bool == b.Bool }
	if column == "id" {
		same = func(a, b ledger.Node) bool { return a.Kind == b.Kind && strings.EqualFold(a.Text, b.Text) }
	}
	switch {
	case name == "_eq" && plain(n):
		return func(row ledger.Node) bool { return same(get(row), n) }, ""
	case name == "_in" && n.Kind == ledger.NodeArray && !slices.ContainsFunc(n.Elems, func(e ledger.Node) bool { return !plain(e) }):
		return func(row ledger.Node) bool {
			return slices.ContainsFunc(n.Elems, func(e ledger.Node) bool { return same(get(row), e) })
		}, ""
	case name == "_eq", name == "_in":
		return nil, name + " compares with a text, true, false or null"
	case !slices.Contains([]string{"_gt", "_ilike", "_search"}, name):
		return nil, "names an operator that is not known"
	case n.Kind != ledger.NodeString || ledger.Length(n.Text) > maxPattern:
		return nil, name + " must be a text of at most 1,000 characters"
	}
	if name == "_gt" {
		return func(row ledger.Node) bool { v := get(row); return v.Kind == ledger.NodeString && v.Text > n.Text }, ""
	}
	if name == "_search" {
		text := strings.ToLower(n.Text)
		return func(row ledger.Node) bool {
			v := get(row)
			return v.Kind == ledger.NodeString && strings.Contains(strings.ToLower(v.Text), text)
		}, ""
	}
	pattern := like(n.Text)
	return func(row ledger.Node) bool {
		v := get(row)
		return v.Kind == ledger.NodeString && pattern.MatchString(v.Text)
	}, ""
}

// like is a pattern in which % is any text and _ any character, unless \ is before it.
func like(text string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("(?is)^")
	escaped := false
	for _, c := range text {
		switch {
		case c == '\\' && !escaped:
			escaped = true
			continue
		case c == '%' && !escaped:
			b.WriteString(".*")
		case c == '_' && !escaped:
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
		escaped = false
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String()) // what is quoted always compiles
}

// Order sorts rows; nil leaves them as they are.
type Order func(rows []ledger.Node)

// ParseOrder reads an orderBy: an object, or a list of objects, of columns with asc or
// desc. Rows without a value are last.
func ParseOrder(text string) (Order, error) {
	refusal := ledger.Refuse("/orderBy", ledger.CodeFormat, `must be like {"createdAt":"desc"}`)
	n, err := ledger.ParseJSON([]byte(text))
	if err != nil {
		return nil, refusal
	}
	list := n.Elems
	if n.Kind != ledger.NodeArray {
		list = []ledger.Node{n}
	}
	type key struct {
		column string
		down   bool
	}
	var keys []key
	for _, e := range list {
		if e.Kind != ledger.NodeObject {
			return nil, refusal
		}
		for _, m := range e.Members {
			if !askable(m.Name) || m.Node.Kind != ledger.NodeString || m.Node.Text != "asc" && m.Node.Text != "desc" {
				return nil, refusal
			}
			keys = append(keys, key{m.Name, m.Node.Text == "desc"})
		}
	}
	return func(rows []ledger.Node) {
		slices.SortStableFunc(rows, func(a, b ledger.Node) int {
			for _, k := range keys {
				x, _ := a.Member(k.column)
				y, _ := b.Member(k.column)
				c := strings.Compare(x.Text, y.Text)
				switch {
				case (x.Text == "") != (y.Text == ""):
					return -c
				case c != 0 && k.down:
					return -c
				case c != 0:
					return c
				}
			}
			return 0
		})
	}, nil
}
