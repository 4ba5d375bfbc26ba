package sandbox

import (
	"crypto/rand"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// postpressTypes are the documented types of errors, without "errors/" before them: by
// status, with what each says. The first of a status stands for it when nothing more is
// known.
var postpressTypes = []struct {
	status       int
	name, detail string
}{
	{http.StatusBadRequest, "malformed_request", "The request is malformed."},
	{http.StatusBadRequest, "invalid_parameters", "One or more parameters are invalid."},
	{http.StatusBadRequest, "content_too_large", "The content is too large."},
	{http.StatusBadRequest, "invalid_url", "A URL is invalid."},
	{http.StatusBadRequest, "too_many_characters", "A text has too many characters."},
	{http.StatusBadRequest, "unescaped_characters", "The path has unescaped characters."},

	{http.StatusUnauthorized, "missing_credentials", "Some credentials are necessary to perform the request."},
	{http.StatusUnauthorized, "multiple_sessions", "LinkedIn limits multiple sessions on certain Recruiter accounts. Use the cookie connection method."},
	{http.StatusUnauthorized, "invalid_checkpoint_solution", "The checkpoint resolution did not pass successfully. Retry."},
	{http.StatusUnauthorized, "invalid_proxy_credentials", "The provided proxy credentials are invalid."},
	{http.StatusUnauthorized, "checkpoint_error", "The checkpoint does not appear to be resolvable."},
	{http.StatusUnauthorized, "invalid_credentials", "The provided credentials are invalid."},
	{http.StatusUnauthorized, "expired_credentials", "Credentials have expired. Reconnect the account."},
	{http.StatusUnauthorized, "insufficient_privileges", "This resource is out of your API-key scopes."},
	{http.StatusUnauthorized, "disconnected_account", "The account is disconnected from the provider service."},
	{http.StatusUnauthorized, "disconnected_feature", "The service you're trying to reach is disconnected."},
	{http.StatusUnauthorized, "invalid_credentials_but_valid_account_imap", "IMAP/SMTP credentials are invalid but the account is otherwise valid."},
	{http.StatusUnauthorized, "expired_link", "This link has expired. Generate a new one."},
	{http.StatusUnauthorized, "wrong_account", "The provided credentials do not match the correct account."},

	{http.StatusForbidden, "insufficient_permissions", "Valid authentication but insufficient permissions to perform the request."},
	{http.StatusForbidden, "account_restricted", "The account has been restricted by the provider."},
	{http.StatusForbidden, "account_mismatch", "This action cannot be done with your account."},
	{http.StatusForbidden, "session_mismatch", "Token user id does not match client session id."},
	{http.StatusForbidden, "feature_not_subscribed", "The requested feature has not been subscribed or authenticated properly."},
	{http.StatusForbidden, "subscription_required", "A subscription is required to use this feature."},
	{http.StatusForbidden, "unknown_authentication_context", "An additional step seems necessary to complete login."},
	{http.StatusForbidden, "action_required", "An additional step is required."},
	{http.StatusForbidden, "resource_access_restricted", "You don't have access to this resource."},

	{http.StatusNotFound, "resource_not_found", "The requested resource was not found."},
	{http.StatusNotFound, "invalid_resource_identifier", "The provided identifier is not valid."},

	{http.StatusUnprocessableEntity, "unprocessable_entity", "The request could not be processed as submitted."},
	{http.StatusUnprocessableEntity, "invalid_account", "Provided account is not designed for this feature."},
	{http.StatusUnprocessableEntity, "action_already_performed", "The requested action has already been performed."},
	{http.StatusUnprocessableEntity, "limit_exceeded", "A LinkedIn limit was reached."},
	{http.StatusUnprocessableEntity, "account_configuration_error", "The account configuration prevents this operation."},

	{http.StatusTooManyRequests, "too_many_requests", "Provider rate limit reached. Back off and retry."},

	{http.StatusInternalServerError, "unexpected_error", "Something went wrong."},
	{http.StatusInternalServerError, "provider_error", "The provider is experiencing operational problems. Retry later."},
	{http.StatusInternalServerError, "authentication_intent_error", "The current authentication intent was killed after failure."},

	{http.StatusNotImplemented, "feature_not_implemented", "This feature has not been implemented yet."},

	{http.StatusServiceUnavailable, "service_unavailable", "Service temporarily unavailable. Retry later."},
	{http.StatusServiceUnavailable, "no_client_session", "No client session is currently running."},
	{http.StatusServiceUnavailable, "no_channel", "No channel to client session."},
	{http.StatusServiceUnavailable, "no_handler", "Handler missing for that request."},
	{http.StatusServiceUnavailable, "network_down", "Network is down on the server side. Retry shortly."},

	{http.StatusGatewayTimeout, "request_timeout", "Request timed out. Retry, and contact support if it persists."},
}

// postpressError is the body of a refusal.
type postpressError struct {
	Title    string `json:"title"`
	Detail   string `json:"detail,omitempty"`
	Instance string `json:"instance,omitempty"`
	Type     string `json:"type"`
	Status   int    `json:"status"`
}

// postpressGateway is the body of a refusal by the gateway in front of the API.
type postpressGateway struct {
	Error struct {
		Code      string `json:"code"`
		Message   string `json:"message"`
		RequestID string `json:"request_id"`
	} `json:"error"`
}

// postpressRefuse is an error of a type, which is without "errors/".
func postpressRefuse(status int, name, text string) reply {
	title := strings.ReplaceAll(name, "_", " ")
	return reply{status: status, body: postpressError{Title: strings.ToUpper(title[:1]) + title[1:], Detail: text,
		Instance: "req_" + rand.Text(), Type: "errors/" + name, Status: status}}
}

// postpressRefusal is an error of which only the status is known. Where no type is
// documented for the status, it is malformed_request below 500 and unexpected_error above.
func postpressRefusal(status int, text string) reply {
	name := "malformed_request"
	if status == http.StatusRequestEntityTooLarge {
		name = "content_too_large"
	}
	if status >= http.StatusInternalServerError {
		name = "unexpected_error"
	}
	for _, t := range postpressTypes {
		if t.status == status {
			name = t.name
			break
		}
	}
	return postpressRefuse(status, name, text)
}

var (
	postpressTypeName = regexp.MustCompile(`^errors/([a-z][a-z_]*)$`)
	postpressCodeName = regexp.MustCompile(`^[a-z][a-z_]*$`)
)

// postpressTyped is an error of a type, for a fault: "errors/..." in the envelope of the
// API, or a code without a slash in that of the gateway. A documented type goes with its
// own status only; ok is false for another, and for what cannot be a type.
func postpressTyped(status int, kind string) (refused reply, ok bool) {
	if postpressCodeName.MatchString(kind) {
		var g postpressGateway
		g.Error.Code, g.Error.Message, g.Error.RequestID = kind, http.StatusText(status), "req_"+rand.Text()
		return reply{status: status, body: g}, true
	}
	match := postpressTypeName.FindStringSubmatch(kind)
	if match == nil {
		return reply{}, false
	}
	for _, t := range postpressTypes {
		if t.name == match[1] {
			return postpressRefuse(status, t.name, t.detail), t.status == status
		}
	}
	return postpressRefuse(status, match[1], http.StatusText(status)), true
}

// postpressFindings is what is wrong with a form. What is malformed is refused with 400,
// whatever else there is; wrong values are refused with 422.
type postpressFindings struct {
	malformed map[string][]detail // by type
	wrong     []detail
}

func (c *postpressFindings) malform(kind, path, message string) {
	if c.malformed == nil {
		c.malformed = map[string][]detail{}
	}
	c.malformed[kind] = append(c.malformed[kind], detail{path, message})
}

func (c *postpressFindings) say(path, message string) {
	c.wrong = append(c.wrong, detail{path, message})
}

func (c *postpressFindings) none() bool { return len(c.malformed)+len(c.wrong) == 0 }

// refusal is the answer for what was found.
func (c *postpressFindings) refusal() reply {
	status, kind, list := http.StatusUnprocessableEntity, "unprocessable_entity", c.wrong
	if kinds := slices.Sorted(maps.Keys(c.malformed)); len(kinds) > 0 {
		status, kind, list = http.StatusBadRequest, kinds[0], c.malformed[kinds[0]]
	}
	texts := []string{}
	for _, d := range list {
		texts = append(texts, d.Field+" "+d.Message)
	}
	return postpressRefuse(status, kind, strings.Join(texts, "; "))
}
