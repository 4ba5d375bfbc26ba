package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// postpressSections are what linkedin_sections may ask for.
var postpressSections = []string{"education", "experience", "skills"}

// postpressPreview is how many items of a section a preview has.
const postpressPreview = 2

// postpressAdmit lets every request with a usable key in: the limit is not documented.
func postpressAdmit(a *account, _ http.Header, _ time.Time) (reply, bool) {
	if a == nil {
		return postpressRefusal(http.StatusUnauthorized, "Some credentials are necessary to perform the request."), false
	}
	return reply{}, true
}

var postpressPort = regexp.MustCompile(`^[1-9][0-9]{0,4}$`)

// postpressQuery reads a query, or says what is wrong with it. Every request may have a
// port; a read has an account_id, and those in more.
func postpressQuery(r *http.Request, read bool, more ...string) (q url.Values, message string) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, "The query is malformed"
	}
	for name, values := range q {
		switch {
		case name == "port":
			if len(values) != 1 || !postpressPort.MatchString(values[0]) {
				return nil, "port must be one number"
			}
		case !read || name != "account_id" && !slices.Contains(more, name):
			return nil, "The query has a parameter that is not known"
		case len(values) > 1 && name != "linkedin_sections":
			return nil, name + " must be given once"
		}
	}
	if read && q.Get("account_id") == "" {
		return nil, "account_id is required in the query"
	}
	return q, ""
}

// postpressIDs are the identifiers of the member behind an account_id.
func postpressIDs(account string) (providerID, public string) {
	sum := sha256.Sum256([]byte(account))
	return "ACoAA" + base64.RawURLEncoding.EncodeToString(sum[:24]), fmt.Sprintf("member-%x", sum[:6])
}

// profile is what reads show of an account; ok is false for one of another key.
func (p *postPress) profile(s *Server, a *account, id string) (profile map[string]any, ok bool) {
	if !p.claim(s, a, id) {
		return nil, false
	}
	profile, _ = s.view(a)[postpressAccount+id].(map[string]any)
	return profile, true
}

// postpressShown is what both reads tell of a member.
func postpressShown(object, account string, profile map[string]any) map[string]any {
	providerID, public := postpressIDs(account)
	shown := map[string]any{
		"object": object, "provider": "LINKEDIN", "provider_id": providerID, "public_identifier": public,
		"first_name": "Sandbox", "last_name": "Member", "profile_picture_url": "",
		"public_profile_url": "https://www.linkedin.com/in/" + public,
	}
	if headline, ok := profile["headline"]; ok {
		shown["headline"] = headline
	}
	if location, ok := profile["location"].(map[string]any); ok {
		shown["location"] = fmt.Sprintf("Place %v", location["id"]) // a name, never the id alone
	}
	if picture, ok := profile["picture"].(map[string]any); ok {
		shown["profile_picture_url"] = fmt.Sprintf("https://media.example/%v", picture["sha256"])
	}
	return shown
}

// me answers with the owner of an account: not with what is in sections, nor the summary.
func (p *postPress) me(s *Server, a *account, r *http.Request) reply {
	q, message := postpressQuery(r, true)
	if message != "" {
		return postpressRefuse(http.StatusBadRequest, "invalid_parameters", message)
	}
	account := q.Get("account_id")
	profile, ok := p.profile(s, a, account)
	if !ok {
		return p.refusal(http.StatusNotFound, "The account is not found")
	}
	shown := postpressShown("AccountOwnerProfile", account, profile)
	shown["entity_urn"] = "urn:li:fsd_profile:" + shown["provider_id"].(string)
	shown["object_urn"] = "urn:li:member:" + shown["public_identifier"].(string)
	shown["email"] = "member@example.com"
	shown["premium"], shown["open_profile"] = false, false
	shown["organizations"] = []any{}
	shown["recruiter"], shown["sales_navigator"] = nil, nil
	return reply{status: http.StatusOK, body: shown}
}

var postpressIdentifier = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// user answers with a profile and the sections that are asked for.
func (p *postPress) user(s *Server, a *account, r *http.Request, identifier string) reply {
	q, message := postpressQuery(r, true, "linkedin_sections", "notify")
	if notify, asked := q["notify"]; asked && notify[0] != "true" && notify[0] != "false" {
		message = "notify must be true or false"
	}
	limits, known := postpressAsked(q["linkedin_sections"])
	if message == "" && !known {
		message = "linkedin_sections has a name that is not a section"
	}
	if message != "" {
		return postpressRefuse(http.StatusBadRequest, "invalid_parameters", message)
	}
	if !postpressIdentifier.MatchString(identifier) {
		return postpressRefuse(http.StatusNotFound, "invalid_resource_identifier", "The provided identifier is not valid.")
	}
	account := q.Get("account_id")
	profile, ok := p.profile(s, a, account)
	providerID, public := postpressIDs(account)
	if !ok || identifier != providerID && identifier != public {
		return p.refusal(http.StatusNotFound, "The account or the user is not found")
	}
	shown := postpressShown("UserProfile", account, profile)
	shown["websites"], shown["contact_info"] = []any{}, map[string]any{}
	shown["primary_locale"] = map[string]any{"country": "US", "language": "en"}
	if summary, ok := profile["summary"]; ok {
		shown["summary"] = summary
	}
	p.mu.Lock()
	throttled := p.throttled
	p.mu.Unlock()
	withheld := []string{}
	for _, name := range postpressSections {
		limit, asked := limits[name]
		if !asked {
			continue
		}
		list, _ := profile[name].([]any)
		if slices.Contains(throttled, name) {
			withheld, list = append(withheld, name), nil
		}
		shown[name] = append([]any{}, list[:min(len(list), limit)]...)
	}
	if len(withheld) > 0 {
		shown["throttled_sections"] = withheld
	}
	return reply{status: http.StatusOK, body: shown}
}

// postpressAsked are the sections that are asked for, each with how many of its items are
// shown. ok is false for a name that is no section.
func postpressAsked(values []string) (limits map[string]int, ok bool) {
	const all = 1 << 30
	limits = map[string]int{}
	for name := range strings.SplitSeq(strings.Join(values, ","), ",") {
		whole, preview := strings.CutSuffix(name, "_preview")
		limit := all
		if preview {
			limit = postpressPreview
		}
		switch {
		case whole == "*":
			for _, section := range postpressSections {
				limits[section] = max(limits[section], limit)
			}
		case slices.Contains(postpressSections, whole):
			limits[whole] = max(limits[whole], limit)
		case len(values) > 0:
			return nil, false
		}
	}
	return limits, true
}
