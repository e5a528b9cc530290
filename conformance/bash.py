"""The bash that every finding's script is made of: what it begins with, and functions for spoiled credentials.

It works in bash 3.2 (macOS) and later. What the functions share: `$QUERY $BODY $KEY $SECRET $TIMESTAMP $HEADER` are
a signed request in the making (`draft`); `sign` makes `$SENT` (the query string) and `$SIGNATURE` of them; `$JWT`
and `$AUTH` are a token and the Authorization header made of it, `$BESIDE` is one that goes with them or an API key.
An unset variable is left out of the request, an empty one is sent empty.
"""

from __future__ import annotations

import re

PRELUDE = r"""[ -n "${BASE_URL:-}" ] && BASE=${BASE_URL%/}
REST=${BASE#*://}; HOST=${REST%%/*}; ORIGIN=${BASE%%://*}://$HOST; ROOT=${REST#"$HOST"}
: "${OFFSET_MS:=$CLOCK}"
for name in $NEEDS; do
  [ -n "${!name:-}" ] || { echo "export $name first" >&2; exit 2; }
done
SEEN_NOW='' PLACED='' LACKING=0
secret() { local name=SPOT_CONFORMANCE_$1; printf %s "${!name}"; }
show() { # TEXT: printed without secrets and control characters
  local text=$1 name
  for name in $NEEDS; do text=${text//"${!name}"/\$$name}; done
  printf '%s\n' "$text" | LC_ALL=C tr -d '\000-\010\013-\037\177'
}
now_ms() { # the target's time in Unix ms
  local t=${EPOCHREALTIME:-}
  if [ -n "$t" ]; then t=${t/[.,]/}; t=${t%???}
  else t=$(perl -MTime::HiRes -e 'printf "%d", Time::HiRes::time() * 1000' 2>/dev/null) || t=$(date +%s)500
  fi
  echo $((t + OFFSET_MS))
}
hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }
hmac() { # ALGORITHM KEY TEXT [openssl option]: lower-case hex; an empty key is the same as a zero byte
  local key; key=$(hex "$2")
  printf %s "$3" | openssl dgst "-$1" ${4:+"$4"} -mac HMAC -macopt "hexkey:${key:-00}" |
    if [ -n "${4:-}" ]; then cat; else sed 's/^.*[= ]//'; fi
}
draft() { # WHO QUERY BODY: a request by API key
  WHO=$1 QUERY=$2 BODY=$3 KEY=$(secret "$1_API_KEY") SECRET=$(secret "$1_API_SECRET")
  TIMESTAMP=$(now_ms) HEADER=X-MBX-APIKEY
  OTHER=COUNTERPARTY; [ "$WHO" = OWNER ] || OTHER=OWNER
  BESIDE=''
}
sign() { # HMAC-SHA256 of the query string and the body
  SENT=$QUERY
  [ -n "${TIMESTAMP+set}" ] && SENT="${SENT:+$SENT&}timestamp=$TIMESTAMP"
  SIGNATURE=$(hmac sha256 "$SECRET" "$SENT$BODY")
}
by_key() { # METHOD PATH [curl options…]: sends what was drafted and signed
  local method=$1 path=$2 query=$SENT; shift 2
  [ -n "${SIGNATURE+set}" ] && query="${query:+$query&}signature=$SIGNATURE"
  [ -z "$BESIDE" ] || set -- "$@" -H "$BESIDE"
  if [ -n "${KEY:-}" ]; then send "$method" "$path" "$query" "$BODY" -H "$HEADER: $KEY" "$@"
  elif [ -n "${KEY+set}" ]; then send "$method" "$path" "$query" "$BODY" -H "$HEADER;" "$@"
  else send "$method" "$path" "$query" "$BODY" "$@"
  fi
}
token() { # WHO: a request by JWT
  WHO=$1 JWT=$(secret "$1_JWT") HEADER_OF_AUTH=Authorization; AUTH="Bearer $JWT"
  OTHER=COUNTERPARTY; [ "$WHO" = OWNER ] || OTHER=OWNER
  BESIDE=''
}
by_jwt() { # METHOD PATH QUERY BODY [curl options…]
  if [ -z "${AUTH+set}" ]; then send "$@"
  elif [ -n "${BESIDE:-}" ]; then send "$@" -H "${HEADER_OF_AUTH:-Authorization}: $AUTH" -H "$BESIDE"
  else send "$@" -H "${HEADER_OF_AUTH:-Authorization}: $AUTH"
  fi
}
send() { # METHOD PATH QUERY BODY [curl options…]: prints request and answer, keeps $STATUS and $ANSWER
  local method=$1 target=$ROOT$2${3:+?$3} body=$4 out; shift 4
  local args=(-sS -g --http1.1 --max-time 30 -w '\n%{http_code}' -X "$method" --request-target "$target")
  [ "$method" = HEAD ] && args+=(--head)
  [ -n "$body" ] && args+=(-H "Content-Type: ${TYPE:-application/json}" --data-raw "$body")
  show "> $method $target${body:+  $body}"
  out=$(curl "${args[@]}" "$@" "$ORIGIN" | tr -d '\000')
  STATUS=${out##*$'\n'} ANSWER=${out%$'\n'*}
  [ "$ANSWER" != "$STATUS" ] || ANSWER=''
  show "< $STATUS $ANSWER"
}
placed() { # NAME WHO SCHEME: keeps the id of the order that was just placed
  local id
  id=$(printf %s "$ANSWER" | tr -d '\n' | sed 's/\[[^]]*\]//g' | grep -o '"id" *: *"[^"]*"' | head -n 1 |
    sed 's/.*"\([^"]*\)"$/\1/')
  if [ -z "$id" ]; then # never an empty id: without one, DELETE may mean every order
    echo "! this order was not placed, so what follows may not show the finding" >&2
    id=00000000-0000-4000-8000-000000000000 LACKING=3
  fi
  printf -v "$1" %s "$id"
  PLACED="$PLACED $1/$2/$3"
}
question() { # NUMBER: the answer just given is the one in question
  SEEN_NOW="${SEEN_NOW}seen now:  ($1) $STATUS $ANSWER"$'\n'
}
clean_up() { # cancels what is left open
  local entry name who scheme rest statuses=''
  for entry in $PLACED; do
    name=${entry%%/*} rest=${entry#*/}; who=${rest%/*} scheme=${rest#*/}
    if [ "$scheme" = jwt ]; then token "$who"; by_jwt DELETE "/spot/orders/${!name}" '' ''
    else draft "$who" '' ''; sign; by_key DELETE "/spot/orders/${!name}"
    fi >/dev/null 2>&1
    statuses="$statuses $STATUS"
  done
  [ -z "$statuses" ] || echo "== clean-up: every order that was placed is canceled:$statuses"
}
trap clean_up EXIT
"""

HELPERS = {
    "flip": r"""flip() { # INDEX TEXT: with another digit there
  local digit=0; [ "${2:$1:1}" != 0 ] || digit=1
  printf %s "${2:0:$1}$digit${2:$(($1 + 1))}"
}
""",
    "reverse": r"""reverse() { # TEXT
  local i text=''
  for ((i = ${#1} - 1; i >= 0; i--)); do text=$text${1:i:1}; done
  printf %s "$text"
}
""",
    "other_case": r"""other_case() { # TEXT: in the other case, or with another first character where it has none
  local text; text=$(printf %s "$1" | LC_ALL=C tr 'A-Za-z' 'a-zA-Z')
  [ "$text" != "$1" ] || text=$(flip 0 "$1")
  printf %s "$text"
}
""",
    "cased": r"""cased() { # TEXT CASE CASE: in the first case (upper or lower), else in the second
  local text how
  for how in "$2" "$3"; do
    if [ "$how" = lower ]; then text=$(printf %s "$1" | LC_ALL=C tr 'A-Z' 'a-z')
    else text=$(printf %s "$1" | LC_ALL=C tr 'a-z' 'A-Z'); fi
    [ "$text" = "$1" ] || { printf %s "$text"; return; }
  done
  flip 0 "$1"
}
""",
    "sha256": r"""sha256() { printf %s "$1" | openssl dgst -sha256 | sed 's/^.*[= ]//'; }
""",
    "upper": r"""upper() { printf %s "$1" | LC_ALL=C tr 'a-z' 'A-Z'; }
""",
    "neighbour": r"""neighbour() { # INDEX ID: the id with the next hex digit there
  local digits=0123456789abcdef0 digit=${2:$1:1}
  digit=${digits#*"$digit"}
  printf %s "${2:0:$1}${digit:0:1}${2:$(($1 + 1))}"
}
""",
    "in_base64": r"""in_base64() { openssl base64 -A | sed 's/+/%2B/g; s:/:%2F:g; s/=/%3D/g'; }
""",
    "b64url": r"""b64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
""",
    "parts": r"""parts() { # the parts of $JWT
  local rest
  IFS=. read -r HEAD CLAIMS TAIL rest <<<"$JWT"
}
""",
    "head_of": r"""head_of() { # [ALGORITHM]
  if [ $# -gt 0 ]; then printf '{"alg":"%s","typ":"JWT"}' "$1" | b64url; else printf '{"typ":"JWT"}' | b64url; fi
}
""",
    "guessed": r"""guessed() { # SECRET [HEADER]: $JWT, signed anew with it
  parts
  local head signed; head=$(head_of HS256)
  if [ $# -gt 1 ]; then head=$(printf %s "$2" | b64url); fi
  signed=$head.$CLAIMS
  printf %s "$signed.$(hmac sha256 "$1" "$signed" -binary | b64url)"
}
""",
    "later": r"""later() { # CLAIMS: the same with an expiry a day later
  local text=$1 exp
  text=$(printf %s "$text" | tr -- '-_' '+/')
  while [ $((${#text} % 4)) -ne 0 ]; do text=$text=; done
  text=$(printf %s "$text" | openssl base64 -d -A 2>/dev/null)
  case $text in
    '{'*'"exp":'[0-9]*)
      exp=${text##*\"exp\":}; exp=${exp%%[!0-9]*}
      text=${text/\"exp\":$exp/\"exp\":$((exp + 86400))} ;;
    '{}') text='{"exp":4102531200}' ;;
    '{'*'}') text="${text%?},\"exp\":4102531200}" ;;
    *) text='{"sub":"owner","exp":4102444800}' ;;
  esac
  printf %s "$text" | b64url
}
""",
    "other_letter": r"""other_letter() { # TEXT [INDEX]: with another letter there, or in the middle
  local place=${2:-$((${#1} / 2))} letter=A
  [ "$place" -ge 0 ] || place=0
  [ "${1:$place:1}" != A ] || letter=B
  printf %s "${1:0:$place}$letter${1:$((place + 1))}"
}
""",
}


def helpers_for(script: str) -> str:
    """The functions that `script` calls, and those that they call, in an order in which each is defined."""
    wanted: set[str] = set()
    todo = [script]
    while todo:
        words = set(re.findall(r"\w+", todo.pop()))
        for name in words & HELPERS.keys() - wanted:
            wanted.add(name)
            todo.append(HELPERS[name])
    return "".join(text for name, text in HELPERS.items() if name in wanted)
