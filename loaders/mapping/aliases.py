"""What other programs call the columns and the events: how a file is recognised without a mapping."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from loaders.schema.relations import EVENTS, IDENTITIES, INVENTORY, ITEMS, USERS, SourceRelation

# Names in small letters and digits alone; the first that a file has is taken, and no field twice.
PERSON = (
    "userid",
    "uid",
    "customerid",
    "memberid",
    "accountid",
    "shopperid",
    "buyerid",
    "personid",
    "user",
    "customer",
)
VISITOR = (
    "anonymousid", "visitorid", "userpseudoid", "domainuserid", "clientid", "cookieid", "deviceid", "visitor", "cookie",
    "fingerprint",
)  # fmt: skip
ITEM = (
    "itemid", "productid", "sku", "productsku", "articleid", "movieid", "contentid", "asin", "aid", "trackid", "videoid",
    "bookid", "variantid", "item", "product", "article",
)  # fmt: skip
NAME = ("itemname", "productname", "name", "title", "itemtitle", "producttitle")
CATEGORY = (
    "itemcategory", "productcategory", "category", "categoryname", "categorycode", "categoryid", "producttype", "genres",
    "genre", "department",
)  # fmt: skip
BRAND = ("brand", "itembrand", "productbrand", "brandname", "manufacturer", "vendor")
PRICE = ("price", "unitprice", "itemprice", "productprice", "saleprice")
ALIASES: dict[str, dict[str, tuple[str, ...]]] = {
    EVENTS.name: {
        "event_id": ("eventid", "messageid", "insertid"),
        "user_id": PERSON,
        "anonymous_id": VISITOR,
        "session_id": ("sessionid", "usersession", "visitid", "gasessionid", "domainsessionid", "session", "sid"),
        "item_id": ITEM,
        "event_type": (
            "eventtype", "eventname", "event", "action", "actiontype", "behavior", "behaviour", "interaction", "type",
        ),
        "occurred_at": (
            "occurredat", "eventtime", "eventtimestamp", "timestamp", "ts", "unixts", "unixtime", "time", "datetime",
            "createdat", "collectortstamp", "date",
        ),
        "quantity": ("quantity", "qty", "units"),
        "price": PRICE,
        "currency": ("currency", "currencycode"),
        "dwell_seconds": ("dwellseconds",),
        "search_query": ("searchquery", "searchterm", "searchkeyword", "query"),
        "list_id": ("listid", "itemlistid"),
        "position": ("position",),
        "rec_id": ("recid",),
        "country": ("country", "countrycode", "geocountry"),
        "device": ("device", "devicetype", "devicecategory"),
        "referrer": ("referrer", "referer", "pagereferrer"),
        "consent": ("consent",),
        "received_at": ("receivedat",),
    },
    ITEMS.name: {
        "item_id": (*ITEM, "id"), "name": NAME, "category": CATEGORY,
        "subcategory": ("subcategory", "itemcategory2"), "brand": BRAND, "price": PRICE,
        "is_active": ("isactive", "active", "enabled", "published", "isavailable", "available"),
        "created_at": ("createdat", "created", "publishedat", "addedat", "dateadded", "releasedate"),
    },
    INVENTORY.name: {
        "item_id": (*ITEM, "id"),
        "quantity": ("quantity", "stock", "stockquantity", "inventory", "inventorylevel", "onhand", "units", "qty", "available"),
    },
    USERS.name: {
        "user_id": (*PERSON, "id"),
        "segment": ("segment", "customersegment", "usersegment", "group", "cohort"),
        "updated_at": ("updatedat", "modifiedat"),
    },
    IDENTITIES.name: {"anonymous_id": VISITOR, "user_id": PERSON},
}  # fmt: skip
EVENT_WORDS = {
    "view_item": ("view", "views", "pv", "pageview", "productview", "productviewed", "itemview", "detail", "click", "clicks"),
    "add_to_cart": ("cart", "carts", "addcart", "addtocart", "addtobasket", "basket", "productadded"),
    "remove_from_cart": ("removefromcart", "removefrombasket", "productremoved"),
    "begin_checkout": ("checkout", "begincheckout", "checkoutstarted"),
    "purchase": (
        "purchase", "purchases", "purchased", "buy", "bought", "order", "orders", "ordered", "transaction", "sale",
        "ordercompleted",
    ),
    "add_to_wishlist": ("fav", "favorite", "favourite", "wishlist", "addtowishlist", "like", "save"),
    "view_item_list": ("impression", "impressions", "viewitemlist", "shown"),
    "select_item": ("selectitem", "clickthrough"),
    "search": ("search", "searched"),
    "rate": ("rate", "rating", "rated"),
    "refund": ("refund", "refunded", "return", "returned"),
}  # fmt: skip
KNOWN_EVENTS = frozenset(EVENT_WORDS)
_EVENTS = {word: event for event, words in EVENT_WORDS.items() for word in words}
DEPTH = 3


def plain(name: str) -> str:
    """Give a name in small letters and digits: `product.id`, `productId` and `product_id` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def event_of(word: str) -> str | None:
    """Give the event that a word stands for, or None."""
    return word if word in KNOWN_EVENTS else _EVENTS.get(plain(word))


def paths_of(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Give the paths of all fields of some records, nested objects too, in the order of their appearance."""
    found: dict[str, None] = {}
    for record in records:
        _collect(record, "", DEPTH, found)
    return list(found)


def recognised(relation: SourceRelation, paths: list[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Give for the columns of a relation the path that is known to mean it; `taken` paths are used already."""
    free = {plain(path): path for path in reversed(paths) if path not in set(taken)}
    found: dict[str, str] = {}
    for column, names in ALIASES[relation.name].items():
        path = next((free[name] for name in names if name in free and free[name] not in found.values()), None)
        if path is not None:
            found[column] = path
    return found


def _collect(record: Mapping[str, Any], before: str, depth: int, found: dict[str, None]) -> None:
    for name, value in record.items():
        path = f"{before}{name}"
        if isinstance(value, Mapping) and depth > 1:
            _collect(value, f"{path}.", depth - 1, found)
        else:
            found.setdefault(path)
